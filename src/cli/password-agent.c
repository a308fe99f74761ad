/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/password-agent.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* How long polkit may take to learn of the agent; without one it refuses. */
#define REGISTER_TIMEOUT_MS 5000

/* Where the agent finds the end of the pipe that it closes once it is known. */
#define NOTIFY_FD "3"

struct _PasswordAgent {
    GSubprocess *process;
};

static gboolean
is_needed(void)
{
    return geteuid() != 0 && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

PasswordAgent *
password_agent_start(void)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDIN_INHERIT | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
    g_autoptr(GSubprocess) process = NULL;
    g_autofree char *self = g_strdup_printf("%d", (int)getpid());
    struct pollfd closed = { .events = POLLIN };
    PasswordAgent *agent;
    int ends[2];

    if (!is_needed() || !g_unix_open_pipe(ends, FD_CLOEXEC, NULL))
        return NULL;
    g_subprocess_launcher_take_fd(launcher, ends[1], 3);
    process = g_subprocess_launcher_spawn(launcher, NULL, "pkttyagent", "--notify-fd", NOTIFY_FD,
                                          "--fallback", "--process", self, NULL);
    /* Else it would hold the other end of the pipe open. */
    g_subprocess_launcher_close(launcher);
    closed.fd = ends[0];
    if (process)
        poll(&closed, 1, REGISTER_TIMEOUT_MS);
    close(ends[0]);
    if (!process)
        return NULL;

    agent = g_new0(PasswordAgent, 1);
    agent->process = g_steal_pointer(&process);
    return agent;
}

void
password_agent_stop(PasswordAgent *agent)
{
    if (!agent)
        return;
    g_subprocess_send_signal(agent->process, SIGTERM);
    g_subprocess_wait(agent->process, NULL, NULL);
    g_object_unref(agent->process);
    g_free(agent);
}
