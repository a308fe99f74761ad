/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/fake/await.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void
await_callback(G_GNUC_UNUSED GObject *source, GAsyncResult *result, gpointer await)
{
    Await *self = await;
    assert_null(self->result); /* a callback comes once */
    self->result = g_object_ref(result);
}

static gboolean
has_result(gpointer data)
{
    return ((Await *)data)->result != NULL;
}

GAsyncResult *
await_result(Await *await)
{
    await_condition(has_result, await, "the end of an asynchronous call");
    return await->result;
}

void
await_clear(Await *await)
{
    g_clear_object(&await->result);
}

static gboolean
set_flag(gpointer flag)
{
    *(gboolean *)flag = TRUE;
    return G_SOURCE_CONTINUE;
}

void
await_condition(gboolean (*condition)(gpointer data), gpointer data, const char *what)
{
    gboolean tired = FALSE;
    guint timer = g_timeout_add_seconds(AWAIT_PATIENCE_S, set_flag, &tired);

    while (!condition(data) && !tired)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    if (tired && !condition(data))
        fail_msg("waited %d s in vain for %s", AWAIT_PATIENCE_S, what);
}

static gboolean
is_set(gpointer data)
{
    return *(const gboolean *)data;
}

void
await_flag(const gboolean *flag, const char *what)
{
    await_condition(is_set, (gpointer)flag, what);
}

void
await_quiet(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

void
await_ms(guint ms)
{
    gboolean over = FALSE;
    guint timer = g_timeout_add(ms, set_flag, &over);
    while (!over)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
}
