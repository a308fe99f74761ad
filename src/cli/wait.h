/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for something on the bus, with an end by the clock and by Ctrl-C.
 *
 * While a Wait exists, SIGINT ends waiting instead of the program; commands that
 * wait tell then what goes on without them.
 */
#pragma once

#include <glib.h>

typedef enum {
    WAIT_DONE,        /* wait_end() was called, before or while waiting */
    WAIT_TIMED_OUT,   /* the time is up */
    WAIT_INTERRUPTED, /* the user does not want to wait any longer */
} WaitEnd;

typedef struct _Wait Wait;

Wait *wait_new(void);
void wait_free(Wait *wait);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Wait, wait_free)

/*
 * wait_run:
 * @seconds: 0 for as long as it takes
 *
 * Dispatches the default main context. Can be called again, except that what
 * ended it by wait_end() or SIGINT ends it at once then.
 */
WaitEnd wait_run(Wait *wait, double seconds);

/* What was waited for has come. */
void wait_end(Wait *wait);
