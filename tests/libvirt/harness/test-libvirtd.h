/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real libvirtd of the test's own, and virsh to talk to it.
 *
 * As root it is the system daemon, qemu:///system, in a mount namespace that the test
 * process made for itself: there /etc/libvirt, /var/lib/libvirt, /var/log/libvirt and
 * all of /run (so neither the machine's libvirt, nor its message bus, nor its
 * machined) are folders of the test's room. As an ordinary user it is the session
 * daemon, qemu:///session, whose folders XDG's variables say.
 *
 * libvirt's QEMUs outlive libvirtd, as they shall. They do not outlive the test: the
 * room's guard ends those that libvirt's pid files name, however the test ends.
 *
 * One at a time in a process, and one beside it. Free it before its room.
 */
#pragma once

#include <gio/gio.h>

#include "tests/guest/harness/test-room.h"

typedef struct TestLibvirtd TestLibvirtd;

/*
 * test_libvirtd_isolate:
 *
 * Gives the process a mount namespace of its own, if it is root. The first thing a
 * program does: a thread that is there already stays in the machine's namespace.
 */
gboolean test_libvirtd_isolate(GError **error);

/* Returns: (transfer full): why no libvirtd can run on this machine, or NULL if one can. */
char *test_libvirtd_unavailable(void);

/*
 * test_libvirtd_start:
 *
 * Makes the folders and the configuration (no security driver, no cgroups, no network,
 * whoever can reach the socket is an administrator), starts libvirtd and waits until
 * it answers.
 */
TestLibvirtd *test_libvirtd_start(TestRoom *room, GError **error);

/*
 * test_libvirtd_start_beside:
 * @room: of its own
 *
 * Another host, as far as libvirt can tell: a second libvirtd with folders and a mount
 * namespace of its own, reached by the socket in its room, to which the domains of the first
 * one can be migrated. For root, and while the first one is there.
 */
TestLibvirtd *test_libvirtd_start_beside(TestRoom *room, GError **error);

/* Kills libvirtd, not its guests, and frees. */
void test_libvirtd_free(TestLibvirtd *libvirtd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestLibvirtd, test_libvirtd_free)

/* SIGKILL; returns after its end. The guests run on. */
void test_libvirtd_kill(TestLibvirtd *libvirtd);

/* SIGTERM; FALSE with @error set if it does not end. The guests run on. */
gboolean test_libvirtd_stop(TestLibvirtd *libvirtd, GError **error);

/* Starts it again and waits until it answers. */
gboolean test_libvirtd_restart(TestLibvirtd *libvirtd, GError **error);

const char *test_libvirtd_uri(TestLibvirtd *libvirtd);
TestRoom *test_libvirtd_room(TestLibvirtd *libvirtd);
char *test_libvirtd_log(TestLibvirtd *libvirtd); /* (transfer full): all it said so far */

/* (transfer full): what QEMU and libvirt said of a domain. */
char *test_libvirtd_domain_log(TestLibvirtd *libvirtd, const char *domain);

/* Returns: the process of a domain's QEMU, by libvirt's pid file; 0 if it has none. */
GPid test_libvirtd_domain_pid(TestLibvirtd *libvirtd, const char *domain);

/*
 * test_libvirtd_virsh:
 * @output: (out) (transfer full) (optional): what it printed
 * @...: virsh's arguments, NULL-terminated
 *
 * Returns: FALSE with @error set, and virsh's messages in it, if its status is not 0.
 */
gboolean test_libvirtd_virsh(TestLibvirtd *libvirtd, char **output, GError **error,
                             ...) G_GNUC_NULL_TERMINATED;
gboolean test_libvirtd_virsh_strv(TestLibvirtd *libvirtd, char **output,
                                  const char *const *arguments, GError **error);
