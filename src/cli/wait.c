/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/wait.h"

#include <glib-unix.h>
#include <signal.h>

struct _Wait {
    gboolean done, timed_out, interrupted;
    guint signal_source;
};

static gboolean
on_signal(gpointer data)
{
    Wait *wait = data;

    wait->interrupted = TRUE;
    return G_SOURCE_CONTINUE;
}

static gboolean
on_timeout(gpointer data)
{
    Wait *wait = data;

    wait->timed_out = TRUE;
    return G_SOURCE_CONTINUE;
}

Wait *
wait_new(void)
{
    Wait *wait = g_new0(Wait, 1);

    wait->signal_source = g_unix_signal_add(SIGINT, on_signal, wait);
    return wait;
}

void
wait_free(Wait *wait)
{
    if (!wait)
        return;
    g_source_remove(wait->signal_source);
    g_free(wait);
}

WaitEnd
wait_run(Wait *wait, double seconds)
{
    guint timer = 0;

    wait->timed_out = FALSE;
    /* Whole milliseconds, at least one; a month and more is for ever. */
    if (seconds > 0.0 && seconds < 3e6)
        timer = g_timeout_add((guint)MAX(seconds * 1000.0, 1.0), on_timeout, wait);
    while (!wait->done && !wait->interrupted && !wait->timed_out)
        g_main_context_iteration(NULL, TRUE);
    if (timer > 0)
        g_source_remove(timer);

    if (wait->done)
        return WAIT_DONE;
    return wait->interrupted ? WAIT_INTERRUPTED : WAIT_TIMED_OUT;
}

void
wait_end(Wait *wait)
{
    wait->done = TRUE;
}
