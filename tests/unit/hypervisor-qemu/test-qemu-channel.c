/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What opening NAME.stats comes to, whatever is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "hypervisor/qemu/qemu-channel.h"
#include "tests/fake/await.h"

typedef struct {
    char *folder;
    char *path;
    GObject *source;
} Fixture;

static int
setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = g_dir_make_tmp("memplug-channel-XXXXXX", NULL);
    assert_non_null(fixture->folder);
    fixture->path = g_build_filename(fixture->folder, "g.stats", NULL);
    fixture->source = g_object_new(G_TYPE_OBJECT, NULL);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *fixture = *state;

    g_unlink(fixture->path);
    assert_int_equal(g_rmdir(fixture->folder), 0);
    g_object_unref(fixture->source);
    g_free(fixture->folder);
    g_free(fixture->path);
    g_free(fixture);
    return 0;
}

static int
listen_at(const char *path, int backlog)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static GIOStream *
try_open(const Fixture *fixture, const char *path, GError **error)
{
    g_auto(Await) await = { NULL };

    qemu_channel_open_async(fixture->source, path, NULL, await_callback, &await);
    return qemu_channel_open_finish(fixture->source, await_result(&await), error);
}

static void
assert_fails(const Fixture *fixture, const char *path, GIOErrorEnum code)
{
    g_autoptr(GError) error = NULL;

    assert_null(try_open(fixture, path, &error));
    if (!g_error_matches(error, G_IO_ERROR, (int)code))
        fail_msg("%s (%d)", error->message, error->code);
    assert_non_null(strstr(error->message, path));
}

static void
test_both_ways(void **state)
{
    Fixture *fixture = *state;
    int listener = listen_at(fixture->path, 1), fd;
    g_autoptr(GIOStream) stream = try_open(fixture, fixture->path, NULL);
    char byte = 0;

    assert_non_null(stream);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(
        g_output_stream_write(g_io_stream_get_output_stream(stream), "h", 1, NULL, NULL), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, 'h');
    assert_int_equal(write(fd, "g", 1), 1);
    assert_int_equal(
        g_input_stream_read(g_io_stream_get_input_stream(stream), &byte, 1, NULL, NULL), 1);
    assert_int_equal(byte, 'g');
    close(fd);
    assert_int_equal(
        g_input_stream_read(g_io_stream_get_input_stream(stream), &byte, 1, NULL, NULL), 0);
    close(listener);
}

static void
test_no_channel(void **state)
{
    Fixture *fixture = *state;

    assert_fails(fixture, fixture->path, G_IO_ERROR_NOT_FOUND);
    assert_fails(fixture, "/nonexistent/g.stats", G_IO_ERROR_NOT_FOUND);
}

static void
test_nobody_listens(void **state)
{
    Fixture *fixture = *state;

    close(listen_at(fixture->path, 1));
    assert_fails(fixture, fixture->path, G_IO_ERROR_CONNECTION_REFUSED);
}

static void
test_taken_by_others(void **state)
{
    Fixture *fixture = *state;
    int listener = listen_at(fixture->path, 0);
    g_autoptr(GIOStream) first = try_open(fixture, fixture->path, NULL);

    assert_non_null(first);
    assert_fails(fixture, fixture->path, G_IO_ERROR_BUSY);
    close(listener);
}

static void
test_not_a_socket(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *long_path = g_strnfill(200, 'x');

    assert_true(g_file_set_contents(fixture->path, "", 0, NULL));
    assert_fails(fixture, fixture->path, G_IO_ERROR_FAILED);
    assert_fails(fixture, long_path, G_IO_ERROR_FILENAME_TOO_LONG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_channel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_taken_by_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_socket, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
