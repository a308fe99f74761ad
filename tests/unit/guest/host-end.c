/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/guest/host-end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 30000

void
host_end_start(HostEnd *host)
{
    *host = (HostEnd){ .listener = -1, .fd = -1 };
    host->folder = g_dir_make_tmp("memplug-agent-XXXXXX", NULL);
    assert_non_null(host->folder);
    host->path = g_build_filename(host->folder, "stats", NULL);
    stats_frame_stream_start(&host->stream);
}

void
host_end_listen(HostEnd *host)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    assert_true(strlen(host->path) < sizeof(address.sun_path));
    strcpy(address.sun_path, host->path);
    host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(host->listener >= 0);
    assert_int_equal(bind(host->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(host->listener, 1), 0);
}

void
host_end_leave(HostEnd *host)
{
    if (host->fd >= 0)
        close(host->fd);
    if (host->listener >= 0)
        close(host->listener);
    host->fd = host->listener = -1;
    g_unlink(host->path);
    stats_frame_stream_start(&host->stream);
}

static void
remove_all(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);

        if (g_file_test(entry, G_FILE_TEST_IS_DIR))
            remove_all(entry);
        else
            g_unlink(entry);
    }
    g_rmdir(path);
}

void
host_end_stop(HostEnd *host)
{
    host_end_leave(host);
    remove_all(host->folder);
    g_clear_pointer(&host->folder, g_free);
    g_clear_pointer(&host->path, g_free);
}

static gboolean
is_readable(int fd, int wait_ms)
{
    struct pollfd one = { .fd = fd, .events = POLLIN };

    return poll(&one, 1, wait_ms) > 0;
}

void
host_end_accept(HostEnd *host)
{
    if (!is_readable(host->listener, PATIENCE_MS))
        fail_msg("nobody connects");
    host->fd = accept4(host->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(host->fd >= 0);
}

gboolean
host_end_receive(HostEnd *host, StatsFrame *frame, int wait_ms)
{
    guint8 bytes[512];

    while (!stats_frame_stream_pop(&host->stream, frame)) {
        gsize room = MIN(stats_frame_stream_room(&host->stream), sizeof(bytes));
        gssize n;

        if (!is_readable(host->fd, wait_ms))
            return FALSE;
        n = read(host->fd, bytes, room);
        if (n <= 0)
            return FALSE;
        stats_frame_stream_push(&host->stream, bytes, (gsize)n);
    }
    return TRUE;
}

void
host_end_expect(HostEnd *host, StatsFrameType type, StatsFrame *frame)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_MS * (gint64)1000;

    do {
        if (!host_end_receive(host, frame, PATIENCE_MS) || g_get_monotonic_time() > end)
            fail_msg("no frame of type 0x%02x comes", (guint)type);
    } while (frame->type != type);
}

void
host_end_send_bytes(HostEnd *host, const void *bytes, gsize length)
{
    assert_int_equal(write(host->fd, bytes, length), length);
}

void
host_end_send(HostEnd *host, StatsFrame *frame)
{
    guint8 bytes[STATS_FRAME_MOST];
    gsize length;

    frame->sequence = host->sequence++;
    length = stats_frame_encode(frame, bytes, sizeof(bytes));
    host_end_send_bytes(host, bytes, length);
}
