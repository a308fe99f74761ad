/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A QEMU monitor that follows a script, for tests of what speaks QMP.
 *
 * The script is a queue of commands that must come in exactly this order, each with what the server
 * does then. Beside it there are standing answers, to commands that may come at any time and any
 * number of times. A command that is neither next in the script nor has a standing answer fails the
 * running cmocka test at once, and says what was expected.
 *
 * It runs on the default main context of the test itself, so it acts only while the test waits
 * (await.h), and like QEMU it serves one client at a time: another one may connect, and is greeted
 * when the first has gone. JSON is given as text, in which ' may stand for ". */

#include <glib.h>

typedef struct FakeQmpServer FakeQmpServer;

/* Listens on the UNIX socket `path`, replacing a file that is there; NULL for a socket in a folder
 * of its own, which is removed in the end. */
FakeQmpServer *fake_qmp_server_new(const char *path);

/* Ends the server and removes its socket. Does not look at the script. */
void fake_qmp_server_free(FakeQmpServer *server);

/* The same, but the socket's file stays behind, with nobody listening: as when QEMU is killed. */
void fake_qmp_server_kill(FakeQmpServer *server);

const char *fake_qmp_server_get_path(FakeQmpServer *server);

/* Fails the test if some of the script was not played. */
void fake_qmp_server_assert_done(FakeQmpServer *server);

/* Whether all of the script was played. */
gboolean fake_qmp_server_is_done(gpointer server);

/* Whether a client has been greeted and has finished qmp_capabilities, which the server answers
 * by itself. */
gboolean fake_qmp_server_is_connected(gpointer server);

/* How many times `command` has come, whoever answered it. */
guint fake_qmp_server_count(FakeQmpServer *server, const char *command);

/* ---- The script. `arguments` NULL accepts any. ---- */

void fake_qmp_server_expect(FakeQmpServer *server, const char *command, const char *arguments,
                            const char *value);
void fake_qmp_server_expect_error(FakeQmpServer *server, const char *command, const char *arguments,
                                  const char *class_name, const char *description);

/* Nothing is replied, until the test calls fake_qmp_server_release() for `command`. */
void fake_qmp_server_expect_held(FakeQmpServer *server, const char *command, const char *arguments,
                                 const char *value);

/* Instead of a reply, sends `bytes` as they are, but with the command's id for each "$ID". */
void fake_qmp_server_expect_raw(FakeQmpServer *server, const char *command, const char *arguments,
                                const char *bytes);

/* Instead of replying, closes the connection. */
void fake_qmp_server_expect_then_close(FakeQmpServer *server, const char *command,
                                       const char *arguments);

/* Sends an event right after (or, `before`, right before) the reply to the command that was
 * expected last. `data` may be NULL. */
void fake_qmp_server_with_event(FakeQmpServer *server, gboolean before, const char *name,
                                const char *data);

/* ---- Standing answers. A later one for the same command and arguments replaces the earlier. ----
 */

void fake_qmp_server_stand(FakeQmpServer *server, const char *command, const char *arguments,
                           const char *value);
void fake_qmp_server_stand_error(FakeQmpServer *server, const char *command, const char *arguments,
                                 const char *class_name, const char *description);

/* From now on no standing answer is given, as when QEMU hangs; or they are given again. What came
 * meanwhile stays unanswered. */
void fake_qmp_server_set_hung(FakeQmpServer *server, gboolean hung);

/* ---- At once ---- */

/* Replies to the oldest held `command`. */
void fake_qmp_server_release(FakeQmpServer *server, const char *command);
void fake_qmp_server_send_event(FakeQmpServer *server, const char *name, const char *data);
void fake_qmp_server_send_bytes(FakeQmpServer *server, const char *bytes, gsize size);
void fake_qmp_server_disconnect(FakeQmpServer *server);

/* ---- Manners ---- */

/* What is sent to a new client, with its line end; NULL: nothing. */
void fake_qmp_server_set_greeting(FakeQmpServer *server, const char *greeting);

/* Writes at most `size` bytes at a time, and lets the main loop turn in between; 0: no limit. */
void fake_qmp_server_set_piece(FakeQmpServer *server, gsize size);

/* Stops or goes on reading what the client sends. */
void fake_qmp_server_set_reading(FakeQmpServer *server, gboolean reading);
