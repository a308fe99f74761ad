/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * limits, manage: what an administrator allows memplug to do with a guest.
 */
#include <stdio.h>

#include "cli/call.h"
#include "cli/command-line.h"
#include "cli/guest-view.h"

static gboolean
print_limits(const CommandLine *line, BusGuest *guest)
{
    if (command_line_has(line, "json")) {
        g_autoptr(JsonBuilder) json = json_builder_new();

        json_builder_begin_object(json);
        output_add_text(json, "guest", bus_guest_get_name(guest));
        output_add_fields(json, G_DBUS_PROXY(guest), guest_view_limits);
        json_builder_end_object(json);
        output_print_json(json);
    } else {
        output_print_fields(G_DBUS_PROXY(guest), guest_view_limits);
    }
    return TRUE;
}

static GVariant *
size_value(const Value *value)
{
    return g_variant_new_uint64(value->number);
}

static GVariant *
real_value(const Value *value)
{
    return g_variant_new_double(value->real);
}

static GVariant *
text_value(const Value *value)
{
    return g_variant_new_string(value->text);
}

static GVariant *
predictor_value(const Value *value)
{
    return g_variant_new_string(g_str_equal(value->text, "default") ? "" : value->text);
}

/* The options are called as the members of SetLimits' argument. */
static const struct {
    const char *name;
    GVariant *(*to_variant)(const Value *value);
} limits[] = {
    { "floor", size_value },     { "ceiling", size_value },        { "weight", real_value },
    { "mechanism", text_value }, { "predictor", predictor_value },
};

/* Returns: (transfer full): the limits that @line changes, and where; NULL if none. */
static GVariant *
changed_limits(const CommandLine *line)
{
    static const char *const scopes[] = { "live", "config" };
    g_auto(GVariantBuilder) changed = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
    gboolean any = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
        const Value *value = command_line_option(line, limits[i].name);

        if (value)
            g_variant_builder_add(&changed, "{sv}", limits[i].name, limits[i].to_variant(value));
        any |= value != NULL;
    }
    if (!any)
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(scopes); i++) {
        if (command_line_has(line, scopes[i]))
            g_variant_builder_add(&changed, "{sv}", scopes[i], g_variant_new_boolean(TRUE));
    }
    return g_variant_ref_sink(g_variant_builder_end(&changed));
}

static gboolean
run_limits(const CommandLine *line, Connection *connection, GError **error)
{
    const char *name = command_line_text(line, 0);
    g_autoptr(BusGuest) guest = NULL, changed = NULL;
    g_autoptr(GVariant) wanted = changed_limits(line), reply = NULL;

    if (!wanted && (command_line_has(line, "live") || command_line_has(line, "config"))) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                            "--live and --config say where a limit is changed; name one");
        return FALSE;
    }
    guest = connection_get_guest(connection, name, error);
    if (!guest)
        return FALSE;
    if (!wanted)
        return print_limits(line, guest);

    reply = call_method(connection, guest, "SetLimits", g_variant_new("(@a{sv})", wanted), error);
    if (!reply) {
        connection_prefix_error(error, name);
        return FALSE;
    }
    /* A new proxy reads what is in force now; the signal may be still to come. */
    changed = connection_get_guest(connection, name, error);
    if (!changed)
        return FALSE;
    if (command_line_has(line, "config") && !command_line_has(line, "live") &&
        !command_line_has(line, "json"))
        puts("Changed from the next start on; until then these hold:");
    return print_limits(line, changed);
}

static const CommandOption limits_options[] = {
    { "floor", "SIZE", VALUE_LIMIT, "the policy never leaves the guest less; or 'default'" },
    { "ceiling", "SIZE", VALUE_LIMIT, "the policy never gives the guest more; or 'default'" },
    { "weight", "NUMBER", VALUE_WEIGHT, "its share when memory is scarce; 1 is usual" },
    { "mechanism", "NAME", VALUE_MECHANISM, "auto, dimm, virtio-mem or balloon" },
    { "predictor", "NAME", VALUE_OWN_PREDICTOR, "what forecasts its demand; or 'default'" },
    { "live", NULL, VALUE_TEXT, "of the running guest" },
    { "config", NULL, VALUE_TEXT, "of its definition, from the next start on" },
    { NULL },
};

const Command command_limits = {
    .name = "limits",
    .summary = "show or change the limits of a guest",
    .description =
        "Shows the limits that the policy obeys; with options, changes those that are\n"
        "given and shows what is in force then. The changes are kept where the guest is\n"
        "defined (a libvirt domain's metadata; NAME.conf beside a QEMU socket): of the\n"
        "running guest, of its definition, or of both if neither --live nor --config is\n"
        "given. --floor default, --ceiling default and --predictor default take such a\n"
        "limit back, so that the configuration's holds again; 'memplug policies' tells\n"
        "which predictors there are.",
    .examples = "memplug limits web\n"
                "memplug limits web --floor 512M --ceiling 4G --weight 2\n"
                "memplug limits web --ceiling 8G --live\n"
                "memplug limits web --ceiling default\n"
                "memplug limits web --predictor season",
    .arguments = { { "GUEST", VALUE_GUEST } },
    .options = limits_options,
    .run = run_limits,
};

static gboolean
run_manage(const CommandLine *line, Connection *connection, GError **error)
{
    const char *name = command_line_text(line, 0);
    gboolean managed = command_line_argument(line, 1)->number != 0;
    g_autoptr(BusGuest) guest = connection_get_guest(connection, name, error);
    g_autoptr(GVariant) reply = NULL;

    if (!guest)
        return FALSE;
    reply = call_method(connection, guest, "SetManaged", g_variant_new("(b)", managed), error);
    if (!reply) {
        connection_prefix_error(error, name);
        return FALSE;
    }

    if (command_line_has(line, "json")) {
        g_autoptr(JsonBuilder) json = json_builder_new();

        json_builder_begin_object(json);
        output_add_text(json, "guest", name);
        output_add_flag(json, "managed", managed);
        json_builder_end_object(json);
        output_print_json(json);
    } else {
        printf("%s: %s\n", name, managed ? "the policy decides" : "left as it is");
    }
    return TRUE;
}

const Command command_manage = {
    .name = "manage",
    .summary = "give a guest to the policy, or opt it out",
    .description =
        "on: the policy decides what the guest has; a size that was set by hand\n"
        "(setmem, plug, unplug) is held no longer. off: memplug only watches the guest.\n"
        "This is kept where the guest is defined, and outlives it and memplugd.",
    .examples = "memplug manage web on\n"
                "memplug manage build-host off",
    .arguments = { { "GUEST", VALUE_GUEST }, { "on|off", VALUE_ON_OFF } },
    .run = run_manage,
};
