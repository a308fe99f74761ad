/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What can be asked of a guest's memory, and what explains that it changed:
 *
 *   virtio-mem, requested   an order of ours of that very size
 *   a DIMM is gone          we once ordered its unplug: a guest may let it go long after
 *   a DIMM is new           it bears our name
 *   a device is new         an order of ours to plug a virtio-mem device
 *   the balloon             it is on its way from where it was to where we sent it
 *
 * All else is somebody else's doing. What only the guest moves (the size of a
 * virtio-mem device, the acknowledgement of a DIMM) is nobody's word and not
 * looked at, and neither is an empty virtio-mem device that comes or goes: the
 * guest has no byte more or less for it.
 *
 * An order is remembered until its effect has been seen. One that failed, or that
 * nobody answered in time, may still be carried out: a QEMU that was stopped reads
 * on where it stood, and libvirt queues up to 30 s for a domain that is in use
 * (QEMU_JOB_WAIT_TIME). So it explains its effect for LATE_US after the first
 * observation that succeeds again.
 *
 * The balloon needs more care, since most hypervisors only tell what it holds. What
 * may explain that is a span, not a size:
 *
 *      low ──── word ──── high      ordered: from where it is to where it is sent
 *                                   reached: the word alone
 *                                   restarted: from 0, since the guest's driver begins anew
 *
 * When it leaves the span, either somebody else has sent it elsewhere, or the
 * guest's driver begins anew without a reset that we saw (kexec), or the guest
 * follows what it was started with. Which of them shows where it comes to rest:
 * back in the span it was the guest, at the size of the start it was the start, and
 * anywhere else it was a person. A guest that never lets its balloon rest is
 * judged after REST_TURNS times the rest.
 *
 * A guest whose driver goes for good (and gives all back to itself) looks like a
 * person who empties the balloon: Foreign.movable warns of that. A balloon that drifts
 * (deflate-on-oom) tells nothing.
 */
#include "hotplug/foreign.h"

#include "size/size.h"

#define LATE_US    (60 * G_USEC_PER_SEC)
#define REST_TURNS 10

#define ANY_SIZE G_MAXUINT64

typedef struct {
    MemoryStep step;
    char *device;     /* owned: behind step.device */
    gboolean sure;    /* the hypervisor took it; else it may come late, or never */
    gint64 looked_us; /* first observation after it had ended; 0: none yet */
} Order;

typedef struct {
    guint64 word; /* where it was sent last, as far as that is sure */
    guint64 low;  /* the span in which it may be, the word included */
    guint64 high;
    gboolean lost;   /* an order after that may not have been carried out */
    gboolean away;   /* it was seen beyond the span, ... */
    gint64 away_us;  /* ... first then */
    guint64 size;    /* what it held when last looked at, ... */
    gint64 moved_us; /* ... and since when */
} Balloon;

struct _ForeignWatch {
    gint64 rest_us;
    GuestMemory *memory; /* as last observed; NULL: nothing to compare with */
    GArray *orders;      /* Order, the latest last */
    Balloon balloon;
    gboolean balloon_known; /* it has been seen at all */
};

void
foreign_clear(Foreign *foreign)
{
    g_clear_pointer(&foreign->what, g_free);
}

/*
 * Our own orders
 */

static void
order_clear(gpointer data)
{
    g_free(((Order *)data)->device);
}

static Order *
order_at(const ForeignWatch *watch, guint index)
{
    return &g_array_index(watch->orders, Order, index);
}

static gboolean
is_about(const Order *order, MemoryStepKind kind, const char *device)
{
    return order->step.kind == kind && (!device || g_strcmp0(order->device, device) == 0);
}

/* Whether an order of @kind is open, about @device (unless that is NULL) and of @size
 * (unless that is ANY_SIZE). A sure one has had its effect then, as have the sure ones
 * before it, and they are forgotten; another may be carried out yet. */
static gboolean
explained(ForeignWatch *watch, MemoryStepKind kind, const char *device, guint64 size)
{
    gboolean found = FALSE;

    for (guint i = watch->orders->len; i-- > 0;) {
        const Order *order = order_at(watch, i);

        if (!is_about(order, kind, device))
            continue;
        found = found || size == ANY_SIZE || order->step.size == size;
        if (found && order->sure)
            g_array_remove_index(watch->orders, i);
    }
    return found;
}

/* Of the same order given again, the later stands for both. */
static void
forget_same_order(ForeignWatch *watch, const MemoryStep *step)
{
    for (guint i = watch->orders->len; i-- > 0;) {
        const Order *order = order_at(watch, i);

        if (order->step.kind == step->kind && order->step.size == step->size &&
            g_strcmp0(order->device, step->device) == 0)
            g_array_remove_index(watch->orders, i);
    }
}

static gboolean
balloon_may_come_late(const ForeignWatch *watch)
{
    for (guint i = 0; i < watch->orders->len; i++) {
        const Order *order = order_at(watch, i);

        if (order->step.kind == MEMORY_STEP_SET_BALLOON && !order->sure)
            return TRUE;
    }
    return FALSE;
}

static void
balloon_be_at(Balloon *balloon, guint64 size)
{
    balloon->word = balloon->low = balloon->high = size;
    balloon->lost = balloon->away = FALSE;
}

/* Forgets what can have no effect any more. */
static void
forget_old_orders(ForeignWatch *watch, const GuestMemory *memory, gint64 now)
{
    for (guint i = watch->orders->len; i-- > 0;) {
        const Order *order = order_at(watch, i);
        gboolean over = order->looked_us > 0 && now - order->looked_us > LATE_US;

        if (order->step.kind == MEMORY_STEP_UNPLUG_DIMM)
            over = !guest_memory_find(memory, order->device) &&
                   !(watch->memory && guest_memory_find(watch->memory, order->device));
        if (over)
            g_array_remove_index(watch->orders, i);
    }
}

static void
note_that_all_were_looked_for(ForeignWatch *watch, gint64 now)
{
    for (guint i = 0; i < watch->orders->len; i++) {
        Order *order = order_at(watch, i);

        if (order->looked_us == 0)
            order->looked_us = now;
    }
}

/*
 * Devices
 */

G_GNUC_PRINTF(2, 3)
static void
add(GString *what, const char *format, ...)
{
    va_list arguments;

    if (what->len > 0)
        g_string_append(what, ", ");
    va_start(arguments, format);
    g_string_append_vprintf(what, format, arguments);
    va_end(arguments);
}

/* @device was there, and is no longer. */
static void
judge_gone(ForeignWatch *watch, const MemoryDevice *device, GString *what)
{
    g_autofree char *size = size_format(device->size);

    if (device->kind == MEMORY_DEVICE_VIRTIO_MEM) {
        if (device->size > 0 || device->requested > 0)
            add(what, "virtio-mem %s of %s is gone", device->id, size);
    } else if (!explained(watch, MEMORY_STEP_UNPLUG_DIMM, device->id, ANY_SIZE)) {
        add(what, "DIMM %s of %s is gone", device->id, size);
    }
}

static void
judge_new(ForeignWatch *watch, const MemoryDevice *device, GString *what)
{
    gboolean dimm = device->kind == MEMORY_DEVICE_DIMM;
    gboolean by_us = dimm ? explained(watch, MEMORY_STEP_PLUG_DIMM, NULL, device->size)
                          : explained(watch, MEMORY_STEP_PLUG_VIRTIO_MEM, NULL, ANY_SIZE);
    guint64 bytes = dimm ? device->size : device->requested;
    g_autofree char *size = size_format(bytes);

    if (!by_us && !(dimm && device->ours) && bytes > 0)
        add(what, "%s %s of %s is new", dimm ? "DIMM" : "virtio-mem", device->id, size);
}

static void
judge_requested(ForeignWatch *watch, const MemoryDevice *before, const MemoryDevice *device,
                GString *what)
{
    g_autofree char *from = size_format(before->requested);
    g_autofree char *to = size_format(device->requested);

    if (device->kind != MEMORY_DEVICE_VIRTIO_MEM)
        return;
    /* Also when nothing changed: the order may have said what was so already. */
    if (!explained(watch, MEMORY_STEP_RESIZE_VIRTIO_MEM, device->id, device->requested) &&
        device->requested != before->requested)
        add(what, "virtio-mem %s %s → %s", device->id, from, to);
}

/* DIMMs that the hypervisor cannot name are told apart by nothing but what they hold in all. */
static guint64
nameless_dimms(const GuestMemory *memory)
{
    guint64 bytes = 0;

    for (guint i = 0; i < memory->n_devices; i++) {
        if (!memory->devices[i].id && memory->devices[i].kind == MEMORY_DEVICE_DIMM &&
            !memory->devices[i].ours)
            bytes += memory->devices[i].size;
    }
    return bytes;
}

static void
judge_devices(ForeignWatch *watch, const GuestMemory *memory, GString *what)
{
    const GuestMemory *before = watch->memory;

    for (guint i = 0; i < before->n_devices; i++) {
        const MemoryDevice *device = &before->devices[i];
        const MemoryDevice *still = device->id ? guest_memory_find(memory, device->id) : NULL;

        if (still)
            judge_requested(watch, device, still, what);
        else if (device->id)
            judge_gone(watch, device, what);
    }
    for (guint i = 0; i < memory->n_devices; i++) {
        const MemoryDevice *device = &memory->devices[i];

        if (device->id && !guest_memory_find(before, device->id))
            judge_new(watch, device, what);
    }
    if (nameless_dimms(before) != nameless_dimms(memory)) {
        g_autofree char *from = size_format(nameless_dimms(before));
        g_autofree char *to = size_format(nameless_dimms(memory));

        add(what, "DIMMs without a name %s → %s", from, to);
    }
}

/*
 * The balloon
 */

/* What orders of it had to do they have done. */
static void
forget_balloon_orders(ForeignWatch *watch)
{
    for (guint i = watch->orders->len; i-- > 0;) {
        if (order_at(watch, i)->step.kind == MEMORY_STEP_SET_BALLOON)
            g_array_remove_index(watch->orders, i);
    }
}

/* It is within its span: narrows that, once nothing can move it on any more. It may stop
 * on its way to where it surely was sent, and go on whenever the guest has memory to give; but if
 * nobody can tell where it was sent, where it rests is as good as any. */
static void
narrow_span(ForeignWatch *watch, const GuestMemory *memory, gboolean rests)
{
    Balloon *balloon = &watch->balloon;

    balloon->away = FALSE;
    if (balloon_may_come_late(watch))
        return;
    if (balloon->lost ? rests : memory->ballooned == balloon->word) {
        forget_balloon_orders(watch);
        balloon_be_at(balloon, memory->balloon_requested);
    }
}

/* Where the guest's start sent it, if to any size at all. */
static gboolean
is_by_start(const GuestMemory *memory)
{
    return memory->given > 0 && memory->given < memory->boot &&
           memory->balloon_requested == memory->boot - memory->given;
}

static ForeignKind
judge_balloon(ForeignWatch *watch, const GuestMemory *memory, gint64 now, GString *what)
{
    Balloon *balloon = &watch->balloon;
    guint64 requested = memory->balloon_requested;
    g_autofree char *from = size_format(balloon->word);
    g_autofree char *to = size_format(requested);
    gboolean rests;

    if (!memory->has_balloon || memory->balloon_drifts) {
        balloon_be_at(balloon, requested);
        return FOREIGN_NONE;
    }
    if (memory->ballooned != balloon->size || balloon->moved_us == 0) {
        balloon->size = memory->ballooned;
        balloon->moved_us = now;
    }
    rests = now - balloon->moved_us >= watch->rest_us;
    if (requested >= balloon->low && requested <= balloon->high) {
        narrow_span(watch, memory, rests);
        return FOREIGN_NONE;
    }
    if (!balloon->away)
        balloon->away_us = now;
    balloon->away = TRUE;
    /* Who knows the word need not wait for the guest to follow it. */
    if (requested == memory->ballooned && !rests &&
        now - balloon->away_us < REST_TURNS * watch->rest_us)
        return FOREIGN_UNDER_WAY;
    balloon_be_at(balloon, requested);
    if (is_by_start(memory))
        return FOREIGN_BY_START;
    add(what, "balloon %s → %s", from, to);
    return FOREIGN_CHANGED;
}

/*
 * The watch
 */

ForeignWatch *
foreign_watch_new(gint64 rest_us)
{
    ForeignWatch *watch = g_new0(ForeignWatch, 1);

    watch->rest_us = rest_us;
    watch->orders = g_array_new(FALSE, TRUE, sizeof(Order));
    g_array_set_clear_func(watch->orders, order_clear);
    return watch;
}

void
foreign_watch_free(ForeignWatch *watch)
{
    if (!watch)
        return;
    g_clear_pointer(&watch->memory, guest_memory_free);
    g_array_unref(watch->orders);
    g_free(watch);
}

void
foreign_watch_restarted(ForeignWatch *watch)
{
    g_clear_pointer(&watch->memory, guest_memory_free);
    watch->balloon.low = 0;
    watch->balloon.high = MAX(watch->balloon.high, watch->balloon.word);
}

void
foreign_watch_accept(ForeignWatch *watch)
{
    if (watch->memory && watch->balloon.away)
        balloon_be_at(&watch->balloon, watch->memory->balloon_requested);
}

void
foreign_watch_ordered(ForeignWatch *watch, const MemoryStep *step)
{
    Order order = { .step = *step, .device = g_strdup(step->device) };
    Balloon *balloon = &watch->balloon;

    order.step.device = order.device;
    forget_same_order(watch, step);
    g_array_append_val(watch->orders, order);
    if (step->kind != MEMORY_STEP_SET_BALLOON)
        return;
    balloon->low = MIN(balloon->low, step->size);
    balloon->high = MAX(balloon->high, step->size);
    if (watch->memory) {
        balloon->low = MIN(balloon->low, watch->memory->ballooned);
        balloon->high = MAX(balloon->high, watch->memory->ballooned);
    }
    balloon->lost = TRUE;
    balloon->away = FALSE;
}

void
foreign_watch_answered(ForeignWatch *watch, gboolean taken)
{
    Order *order;

    if (watch->orders->len == 0)
        return;
    order = order_at(watch, watch->orders->len - 1);
    order->sure = taken;
    if (order->step.kind == MEMORY_STEP_SET_BALLOON && taken) {
        watch->balloon.word = order->step.size;
        watch->balloon.lost = FALSE;
    }
}

Foreign
foreign_watch_judge(ForeignWatch *watch, const GuestMemory *memory, gint64 now)
{
    g_autoptr(GString) what = g_string_new(NULL);
    Foreign foreign = { FOREIGN_NONE, FALSE, NULL };

    if (!watch->balloon_known)
        balloon_be_at(&watch->balloon, memory->balloon_requested);
    watch->balloon_known = TRUE;
    forget_old_orders(watch, memory, now);
    if (watch->memory)
        judge_devices(watch, memory, what);
    foreign.movable = what->len == 0;
    foreign.kind = judge_balloon(watch, memory, now, what);
    if (what->len > 0) {
        foreign.kind = FOREIGN_CHANGED;
        foreign.what = g_string_free(g_steal_pointer(&what), FALSE);
    }
    note_that_all_were_looked_for(watch, now);
    g_clear_pointer(&watch->memory, guest_memory_free);
    watch->memory = guest_memory_copy(memory);
    return foreign;
}
