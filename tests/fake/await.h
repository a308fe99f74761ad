/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Runs the default main context until something asynchronous has ended. A test that would wait
 * for ever fails after AWAIT_PATIENCE_S; nothing else depends on how long anything takes. */

#include <gio/gio.h>

#define AWAIT_PATIENCE_S 60

/* The result of one asynchronous call. Begin with { NULL }, pass await_callback and its address. */
typedef struct {
    GAsyncResult *result;
} Await;

void await_callback(GObject *source, GAsyncResult *result, gpointer await);

/* Returns the result once it is there (transfer none). */
GAsyncResult *await_result(Await *await);

/* Makes it usable again. */
void await_clear(Await *await);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Await, await_clear)

/* Runs until `condition` holds; `what` says in the message what never came. */
void await_condition(gboolean (*condition)(gpointer data), gpointer data, const char *what);

/* Runs until `flag` or `count` is no longer 0. */
void await_flag(const gboolean *flag, const char *what);

/* Runs until nothing more is ready right now. */
void await_quiet(void);

/* Runs for `ms`, whatever happens: for showing that something does not. */
void await_ms(guint ms);
