/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/change.h"

#include "cli/output.h"
#include "cli/terminal.h"
#include "size/size.h"

static const struct {
    const char *name; /* in JSON */
    gboolean success;
    const char *why; /* behind how far it got; NULL: success, told otherwise */
} outcomes[] = {
    [CHANGE_MOVING] = { "moving", FALSE, "still moving" },
    [CHANGE_ASKED] = { "asked", TRUE, NULL },
    [CHANGE_SETTLED] = { "settled", TRUE, NULL },
    [CHANGE_ROUNDED] = { "rounded", TRUE, NULL },
    [CHANGE_OVERRULED] = { "overruled", FALSE, "it was asked for another size meanwhile" },
    [CHANGE_SHORT] = { "short", FALSE, "it goes no further" },
    [CHANGE_FROZEN] = { "frozen", FALSE, "it cannot be changed now; that goes on when it can" },
    [CHANGE_TIMED_OUT] = { "timed-out", FALSE, "still moving when the time was up; it goes on" },
    [CHANGE_INTERRUPTED] = { "interrupted", FALSE, "no longer waiting; the change goes on" },
    [CHANGE_GUEST_GONE] = { "guest-gone", FALSE, "the guest is gone" },
    [CHANGE_DAEMON_GONE] = { "daemon-gone", FALSE,
                             "memplugd left the bus; once started again it goes on" },
};

static void
take_over(Change *change, BusGuest *guest)
{
    const char *phase = bus_guest_get_phase(guest);
    const char *reason = bus_guest_get_reason(guest);

    change->actual = bus_guest_get_actual(guest);
    change->requested = bus_guest_get_requested(guest);
    change->grain = bus_guest_get_grain(guest);
    g_free(change->phase);
    change->phase = g_strdup(phase ? phase : "unknown");
    g_free(change->reason);
    change->reason = terminal_clean(reason ? reason : "");
}

Change *
change_new(BusGuest *guest, guint64 asked)
{
    Change *change = g_new0(Change, 1);

    change->outcome = CHANGE_MOVING;
    change->guest = g_strdup(bus_guest_get_name(guest));
    change->asked = asked;
    take_over(change, guest);
    change->before = change->actual;
    return change;
}

void
change_free(Change *change)
{
    if (!change)
        return;
    g_free(change->guest);
    g_free(change->phase);
    g_free(change->reason);
    g_free(change);
}

static guint64
difference(guint64 a, guint64 b)
{
    return a > b ? a - b : b - a;
}

static ChangeOutcome
judge_settled(const Change *change)
{
    if (change->actual == change->asked)
        return CHANGE_SETTLED;
    return difference(change->actual, change->asked) < change->grain ? CHANGE_ROUNDED
                                                                     : CHANGE_OVERRULED;
}

void
change_update(Change *change, BusGuest *guest, guint64 decision)
{
    take_over(change, guest);
    if (bus_guest_get_decision(guest) < decision || g_str_equal(change->phase, "moving") ||
        g_str_equal(change->phase, "unknown"))
        change->outcome = CHANGE_MOVING;
    else if (g_str_equal(change->phase, "settled"))
        change->outcome = judge_settled(change);
    else if (g_str_equal(change->phase, "frozen"))
        change->outcome = CHANGE_FROZEN;
    else
        change->outcome = CHANGE_SHORT;
}

gboolean
change_succeeded(const Change *change)
{
    return outcomes[change->outcome].success;
}

static char *
describe_success(const Change *change)
{
    g_autofree char *actual = size_format(change->actual);
    g_autofree char *before = size_format(change->before);
    g_autofree char *asked = size_format(change->asked);
    g_autofree char *grain = size_format(change->grain);

    if (change->outcome == CHANGE_ASKED)
        return g_strdup_printf("%s: asked for %s (has %s)", change->guest, asked, actual);
    if (change->outcome == CHANGE_ROUNDED)
        return g_strdup_printf("%s: %s (was %s) in %.2f s; not exactly %s, for its steps are %s",
                               change->guest, actual, before, change->seconds, asked, grain);
    return g_strdup_printf("%s: %s (was %s) in %.2f s", change->guest, actual, before,
                           change->seconds);
}

char *
change_describe(const Change *change)
{
    g_autofree char *actual = NULL, *before = NULL, *asked = NULL;
    const char *why = outcomes[change->outcome].why;
    gboolean has_reason = *change->reason != '\0';

    if (change_succeeded(change))
        return describe_success(change);

    actual = size_format(change->actual);
    before = size_format(change->before);
    asked = size_format(change->asked);
    /* The daemon's reason says more than that it went no further. */
    if (change->outcome == CHANGE_SHORT && has_reason)
        return g_strdup_printf("%s: %s, asked for %s (was %s), after %.2f s: %s", change->guest,
                               actual, asked, before, change->seconds, change->reason);
    return g_strdup_printf("%s: %s, asked for %s (was %s), after %.2f s: %s%s%s%s", change->guest,
                           actual, asked, before, change->seconds, why, has_reason ? " (" : "",
                           change->reason, has_reason ? ")" : "");
}

void
change_to_json(const Change *change, JsonBuilder *json)
{
    json_builder_begin_object(json);
    output_add_text(json, "guest", change->guest);
    output_add_text(json, "outcome", outcomes[change->outcome].name);
    output_add_size(json, "asked", change->asked);
    output_add_size(json, "requested", change->requested);
    output_add_size(json, "actual", change->actual);
    output_add_size(json, "before", change->before);
    output_add_text(json, "phase", change->phase);
    output_add_text(json, "reason", change->reason);
    output_add_real(json, "seconds", change->seconds);
    json_builder_end_object(json);
}
