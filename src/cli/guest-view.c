/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/guest-view.h"

#include "cli/terminal.h"

const Field guest_view_identity[] = {
    { "Name", "name", "Name", FIELD_TEXT },
    { "Pid", "pid", "Pid", FIELD_NUMBER },
    { "State", "state", "State", FIELD_TEXT },
    { "Obstacle", "obstacle", "Obstacle", FIELD_TEXT },
    { NULL },
};

const Field guest_view_memory[] = {
    { "Actual", "actual", "Actual", FIELD_SIZE },
    { "Requested", "requested", "Requested", FIELD_SIZE },
    { "Demand", "demand", "Demand", FIELD_DEMAND },
    { "Used", "used", "Used", FIELD_DEMAND },
    { "Phase", "phase", "Phase", FIELD_TEXT },
    { "Reason", "reason", "Reason", FIELD_TEXT },
    { NULL },
};

const Field guest_view_limits[] = {
    { "Floor", "floor", "Floor", FIELD_SIZE },
    { "Ceiling", "ceiling", "Ceiling", FIELD_SIZE },
    { "Weight", "weight", "Weight", FIELD_REAL },
    { "Mechanism", "mechanism", "Mechanism", FIELD_TEXT },
    { "Predictor", "predictor", "Predictor", FIELD_TEXT },
    { NULL },
};

const Field guest_view_reasons[] = {
    { "Managed", "managed", "Managed", FIELD_FLAG },
    { "Held", "held", "Held", FIELD_FLAG },
    { "Decision", "decision", "Decision", FIELD_NUMBER },
    { "Forecast", "forecast", "Forecast", FIELD_TEXT },
    { "Pinned", "pinned", "Pinned", FIELD_TEXT },
    { "HeldBack", "held_back", "Held back", FIELD_TEXT },
    { "Found", "found", NULL, FIELD_SIZE },
    { NULL },
};

const Field guest_view_range[] = {
    { "Boot", "boot", "Boot", FIELD_SIZE },
    { "Lowest", "lowest", "Lowest", FIELD_SIZE },
    { "Highest", "highest", "Highest", FIELD_SIZE },
    { "Grain", "grain", "Grain", FIELD_SIZE },
    { "HasBalloon", "has_balloon", NULL, FIELD_FLAG },
    { "Ballooned", "ballooned", NULL, FIELD_SIZE },
    { "Slots", "slots", NULL, FIELD_NUMBER },
    { "SlotsFree", "slots_free", NULL, FIELD_NUMBER },
    { NULL },
};

char **
guest_view_dimm_ids(BusGuest *guest)
{
    GVariant *devices = bus_guest_get_devices(guest);
    GStrvBuilder *ids = g_strv_builder_new();
    char **result;

    for (gsize i = 0; devices && i < g_variant_n_children(devices); i++) {
        g_autoptr(GVariant) device = g_variant_get_child_value(devices, i);
        const char *id, *kind;

        if (g_variant_lookup(device, "kind", "&s", &kind) && g_str_equal(kind, "dimm") &&
            g_variant_lookup(device, "id", "&s", &id))
            g_strv_builder_add(ids, id);
    }
    result = g_strv_builder_end(ids);
    g_strv_builder_unref(ids);
    return result;
}

char *
guest_view_connection_trouble(BusManager *manager)
{
    const char *connection = bus_manager_get_connection(manager);
    g_autofree char *uri = terminal_clean(bus_manager_get_uri(manager));
    g_autofree char *why = terminal_clean(connection ? connection : "");

    if (*why == '\0' || g_str_equal(why, "connected"))
        return NULL;
    if (g_str_equal(why, "read-only"))
        return g_strdup_printf("read-only to %s: its guests can be looked at and not changed", uri);
    return g_strdup_printf("none to %s at present: %s", uri, why);
}
