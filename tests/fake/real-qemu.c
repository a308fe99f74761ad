/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/fake/real-qemu.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gio.h>

#define BINARY     "qemu-system-x86_64"
#define PATIENCE_S 60

struct RealQemu {
    GPid pid;
};

gboolean
real_qemu_is_available(void)
{
    g_autofree char *binary = g_find_program_in_path(BINARY);
    return binary != NULL;
}

static void
die_with_parent(G_GNUC_UNUSED gpointer user_data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Whether somebody listens. The connection is given up at once, which QEMU takes for a client that
 * came and went. */
static gboolean
is_listening(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    gboolean connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

static char **
build_command(const char *path, const char *const *arguments)
{
    static const char *const always[] = { BINARY, "-S", "-nodefaults", "-display", "none" };
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (guint i = 0; i < G_N_ELEMENTS(always); i++)
        g_strv_builder_add(builder, always[i]);
    g_strv_builder_addv(builder, (const char **)arguments);
    g_autofree char *monitor = g_strdup_printf("unix:%s,server=on,wait=off", path);
    g_strv_builder_add_many(builder, "-qmp", monitor, NULL);
    return g_strv_builder_end(builder);
}

/* Waits until it listens on `path`, or FALSE with `error`. */
static gboolean
await_listening(RealQemu *qemu, const char *path, GError **error)
{
    gint64 patience = g_get_monotonic_time() + PATIENCE_S * G_USEC_PER_SEC;

    while (!is_listening(path)) {
        siginfo_t end = { .si_pid = 0 };
        waitid(P_PID, (id_t)qemu->pid, &end, WEXITED | WNOHANG | WNOWAIT);
        if (end.si_pid == qemu->pid) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, BINARY " ended at once");
            return FALSE;
        }
        if (g_get_monotonic_time() > patience) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, BINARY " does not listen");
            return FALSE;
        }
        g_usleep(10000);
    }
    return TRUE;
}

RealQemu *
real_qemu_new(const char *path, const char *const *arguments, GError **error)
{
    g_auto(GStrv) command = build_command(path, arguments);
    RealQemu *qemu = g_new0(RealQemu, 1);

    if (!g_spawn_async(NULL, command, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD,
                       die_with_parent, NULL, &qemu->pid, error)) {
        g_free(qemu);
        return NULL;
    }
    if (!await_listening(qemu, path, error))
        g_clear_pointer(&qemu, real_qemu_free);
    return qemu;
}

GPid
real_qemu_get_pid(RealQemu *qemu)
{
    return qemu->pid;
}

void
real_qemu_free(RealQemu *qemu)
{
    if (qemu == NULL)
        return;
    kill(qemu->pid, SIGKILL);
    waitpid(qemu->pid, NULL, 0);
    g_spawn_close_pid(qemu->pid);
    g_free(qemu);
}
