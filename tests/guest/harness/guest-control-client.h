/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The harness' end of the guest's control channel; the protocol is told in
 * tests/guest/image/guest-control.c. All calls block until the guest answers or
 * the time is out; after a time-out the channel is of no further use.
 */
#pragma once

#include <gio/gio.h>

typedef struct GuestControlClient GuestControlClient;

/*
 * guest_control_client_new:
 * @connection: to the guest's serial port; a reference is taken
 */
GuestControlClient *guest_control_client_new(GSocketConnection *connection);
void guest_control_client_free(GuestControlClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestControlClient, guest_control_client_free)

/*
 * guest_control_client_wait_ready:
 * @release: (out) (transfer full) (optional): the kernel's release, as uname tells it
 *
 * Waits for the end of the guest's boot.
 *
 * Returns: FALSE with @error set when @timeout_us passed or the guest ended.
 */
gboolean guest_control_client_wait_ready(GuestControlClient *client, gint64 timeout_us,
                                         char **release, GError **error);

/*
 * guest_control_client_request:
 * @verb: "run", "read" or "report"
 * @body: the script or the path, or ""
 * @status: (out): the exit status or errno
 * @answer: (out) (transfer full): the output, the file's text or the report
 *
 * Returns: FALSE with @error set if no answer came; @status and @answer are
 *   untouched then.
 */
gboolean guest_control_client_request(GuestControlClient *client, const char *verb,
                                      const char *body, gint64 timeout_us, int *status,
                                      char **answer, GError **error);
