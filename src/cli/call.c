/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/call.h"

#include "cli/wait.h"

typedef struct {
    Wait *wait;
    GVariant *reply;
    GError *error;
    gboolean returned;
} Call;

static void
on_returned(GObject *proxy, GAsyncResult *result, gpointer data)
{
    Call *call = data;

    call->reply = g_dbus_proxy_call_finish(G_DBUS_PROXY(proxy), result, &call->error);
    call->returned = TRUE;
    wait_end(call->wait);
}

GVariant *
call_method(Connection *connection, gpointer proxy, const char *method, GVariant *arguments,
            GError **error)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(Wait) wait = wait_new();
    Call call = { .wait = wait };

    connection_prepare_password(connection);
    g_dbus_proxy_call(proxy, method, arguments, CALL_FLAGS, CALL_TIMEOUT, cancellable, on_returned,
                      &call);
    if (wait_run(wait, 0.0) == WAIT_INTERRUPTED) {
        g_cancellable_cancel(cancellable);
        while (!call.returned)
            g_main_context_iteration(NULL, TRUE);
        g_clear_error(&call.error);
        g_clear_pointer(&call.reply, g_variant_unref);
        call.error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                         "no longer waiting; memplugd goes on with it");
    }
    if (call.error)
        g_propagate_error(error, call.error);
    return call.reply;
}
