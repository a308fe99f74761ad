/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/bus-guest.h"

#include "daemon/bus-guest-methods.h"
#include "daemon/bus-guest-stats.h"

char *
bus_guest_path(const char *name)
{
    g_autofree char *escaped = g_dbus_escape_object_path(name);

    return g_strconcat("/org/memplug1/guest/", escaped, NULL);
}

/*
 * Properties
 */

static GVariant *
devices_variant(const GuestMemory *memory)
{
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];
        gboolean dimm = device->kind == MEMORY_DEVICE_DIMM;
        g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

        g_variant_dict_insert(&dict, "id", "s", device->id ? device->id : "");
        g_variant_dict_insert(&dict, "kind", "s", dimm ? "dimm" : "virtio-mem");
        g_variant_dict_insert(&dict, "ours", "b", device->ours);
        g_variant_dict_insert(&dict, "node", "u", device->node);
        g_variant_dict_insert(&dict, "size", "t", device->size);
        if (dimm) {
            g_variant_dict_insert(&dict, "acknowledged", "b", device->acknowledged);
            g_variant_dict_insert(&dict, "removing", "b", device->removing);
        } else {
            g_variant_dict_insert(&dict, "requested", "t", device->requested);
            g_variant_dict_insert(&dict, "max", "t", device->max);
            g_variant_dict_insert(&dict, "block", "t", device->block);
        }
        g_variant_builder_add_value(&all, g_variant_dict_end(&dict));
    }
    return g_variant_builder_end(&all);
}

static GVariant *
uptake_variant(ManagedGuest *managed, gint64 now)
{
    const Uptake *uptake = managed_guest_get_uptake(managed);
    guint64 most = managed_guest_get_growth_most(managed);
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);

    g_variant_dict_insert(&dict, "plugged", "t", uptake->plugged);
    g_variant_dict_insert(&dict, "missing", "t", uptake->missing);
    g_variant_dict_insert(&dict, "stuck", "b", managed_guest_get_missing(managed, now) > 0);
    if (uptake->total > 0)
        g_variant_dict_insert(&dict, "total", "t", uptake->total);
    if (uptake->by_agent) {
        g_variant_dict_insert(&dict, "offline", "t", uptake->offline);
        g_variant_dict_insert(&dict, "online_movable", "t", uptake->online_movable);
        g_variant_dict_insert(&dict, "online_kernel", "t", uptake->online_kernel);
        g_variant_dict_insert(&dict, "movable", "t", uptake->movable);
        g_variant_dict_insert(&dict, "movable_free", "t", uptake->movable_free);
        g_variant_dict_insert(&dict, "kernel", "t", uptake->kernel);
        g_variant_dict_insert(&dict, "kernel_free", "t", uptake->kernel_free);
    }
    if (most > 0)
        g_variant_dict_insert(&dict, "most", "t", most);
    return g_variant_dict_end(&dict);
}

static void
refresh_devices(BusGuest *bus, const GuestMemory *memory)
{
    g_autoptr(GVariant) devices = g_variant_ref_sink(devices_variant(memory));
    GVariant *told = bus_guest_get_devices(bus);

    bus_guest_set_boot(bus, memory->boot);
    bus_guest_set_has_balloon(bus, memory->has_balloon);
    bus_guest_set_ballooned(bus, memory->ballooned);
    bus_guest_set_slots(bus, memory->slots);
    bus_guest_set_slots_free(bus, guest_memory_free_slots(memory));
    if (!told || !g_variant_equal(told, devices))
        bus_guest_set_devices(bus, devices);
}

/* What is signalled when it changes. */
static void
refresh(BusGuest *bus, ManagedGuest *managed)
{
    const GuestStatus *status = managed_guest_get_status(managed);
    Guest *guest = managed_guest_get_guest(managed);
    Resize *resize = managed_guest_get_resize(managed);
    const GuestMemory *memory = resize_get_memory(resize);

    g_object_freeze_notify(G_OBJECT(bus));
    bus_guest_set_state(bus, guest_state_name(guest_get_state(guest)));
    bus_guest_set_actual(bus, status->actual);
    bus_guest_set_requested(bus, status->requested);
    bus_guest_set_floor(bus, status->force.limits.floor);
    bus_guest_set_ceiling(bus, status->force.limits.ceiling);
    bus_guest_set_weight(bus, status->force.limits.weight);
    bus_guest_set_mechanism(bus, mechanism_name(status->force.limits.mechanism));
    bus_guest_set_predictor(bus, status->force.limits.predictor);
    bus_guest_set_managed(bus, status->force.limits.managed);
    bus_guest_set_held(bus, status->held);
    bus_guest_set_obstacle(bus, status->force.obstacle ? status->force.obstacle : "");
    bus_guest_set_decision(bus, status->decision);
    bus_guest_set_phase(bus, resize_phase_name(resize_get_phase(resize)));
    bus_guest_set_reason(bus, resize_get_reason(resize));
    bus_guest_set_lowest(bus, status->force.range.lowest);
    bus_guest_set_highest(bus, status->force.range.highest);
    bus_guest_set_grain(bus, status->force.range.grain);
    if (memory)
        refresh_devices(bus, memory);
    g_object_thaw_notify(G_OBJECT(bus));
}

/*
 * What changes with every cycle is worked out when it is read: a subclass of
 * the skeleton that fills those properties in before it hands them out.
 */
#define TYPE_BUS_GUEST_OBJECT (bus_guest_object_get_type())
G_DECLARE_FINAL_TYPE(BusGuestObject, bus_guest_object, MEMPLUG, BUS_GUEST_OBJECT, BusGuestSkeleton)

struct _BusGuestObject {
    BusGuestSkeleton parent;
    ManagedGuest *managed;
};

G_DEFINE_TYPE(BusGuestObject, bus_guest_object, BUS_TYPE_GUEST_SKELETON)

static void
bus_guest_object_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    BusGuestObject *bus = MEMPLUG_BUS_GUEST_OBJECT(object);
    const GuestStatus *status = managed_guest_get_status(bus->managed);
    const Forecast *forecast = &status->forecast;

    if (g_str_equal(spec->name, "demand"))
        g_value_set_uint64(value, forecast->demand);
    else if (g_str_equal(spec->name, "used"))
        g_value_set_uint64(value, forecast->used);
    else if (g_str_equal(spec->name, "forecast"))
        g_value_set_string(value, forecast->reason ? forecast->reason : "");
    else if (g_str_equal(spec->name, "pinned"))
        g_value_set_string(value,
                           status->pin == PLAN_PIN_NONE ? "" : plan_pin_describe(status->pin));
    else if (g_str_equal(spec->name, "held-back"))
        g_value_take_string(value,
                            managed_guest_describe_held_back(bus->managed, g_get_monotonic_time()));
    else if (g_str_equal(spec->name, "found"))
        g_value_set_uint64(value, status->found);
    else if (g_str_equal(spec->name, "uptake"))
        g_value_take_variant(
            value, g_variant_ref_sink(uptake_variant(bus->managed, g_get_monotonic_time())));
    else if (g_str_equal(spec->name, "stats"))
        g_value_take_variant(
            value, g_variant_ref_sink(bus_guest_stats(bus->managed, g_get_monotonic_time())));
    else
        G_OBJECT_CLASS(bus_guest_object_parent_class)->get_property(object, id, value, spec);
}

static void
bus_guest_object_finalize(GObject *object)
{
    g_clear_object(&MEMPLUG_BUS_GUEST_OBJECT(object)->managed);
    G_OBJECT_CLASS(bus_guest_object_parent_class)->finalize(object);
}

static void
bus_guest_object_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    G_OBJECT_CLASS(bus_guest_object_parent_class)->set_property(object, id, value, spec);
}

static void
bus_guest_object_class_init(BusGuestObjectClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);

    object_class->get_property = bus_guest_object_get_property;
    object_class->set_property = bus_guest_object_set_property;
    object_class->finalize = bus_guest_object_finalize;
    /* GObject asks the class that owns a property: own them all, under the same
     * numbers as the skeleton does, and hand back to it what is not ours to say. */
    bus_guest_override_properties(object_class, 1);
    bus_authority_guard_class(G_DBUS_INTERFACE_SKELETON_CLASS(class));
}

static void
bus_guest_object_init(BusGuestObject *bus)
{
}

BusObjectSkeleton *
bus_guest_new(ManagedGuest *managed, BusAuthority *authority, gboolean dry_run)
{
    Guest *guest = managed_guest_get_guest(managed);
    g_autofree char *path = bus_guest_path(guest_get_name(guest));
    g_autoptr(BusGuestObject) object = g_object_new(TYPE_BUS_GUEST_OBJECT, NULL);
    BusGuest *bus = BUS_GUEST(object);
    BusObjectSkeleton *skeleton = bus_object_skeleton_new(path);

    object->managed = g_object_ref(managed);
    bus_guest_set_name(bus, guest_get_name(guest));
    bus_guest_set_pid(bus, (guint)guest_get_pid(guest));
    bus_guest_set_devices(bus, g_variant_new("aa{sv}", NULL));
    refresh(bus, managed);

    g_signal_connect_object(managed, "changed", G_CALLBACK(refresh), bus, G_CONNECT_SWAPPED);
    bus_guest_methods_connect(bus, managed, dry_run);
    bus_authority_guard(authority, G_DBUS_INTERFACE_SKELETON(bus));
    bus_object_skeleton_set_guest(skeleton, bus);
    return skeleton;
}
