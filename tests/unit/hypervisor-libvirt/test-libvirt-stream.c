/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stream of libvirt as GLib's streams. libvirt's test driver has no channels, but streams:
 * a screenshot, of which it has a file, comes by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libvirt-glib/libvirt-glib.h>

#include "hypervisor/libvirt/libvirt-channel.h"
#include "tests/fake/await.h"

typedef struct {
    virConnectPtr connection;
    virDomainPtr domain;
    GIOStream *channel;
    GInputStream *input;
    GOutputStream *output;
    LibvirtStream *stream;
    GByteArray *all; /* that was read */
    gboolean ended;
    GError *error;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    virStreamPtr stream;
    char *type;

    fixture->connection = virConnectOpen("test:///default");
    assert_non_null(fixture->connection);
    fixture->domain = virDomainLookupByName(fixture->connection, "test");
    stream = virStreamNew(fixture->connection, VIR_STREAM_NONBLOCK);
    type = virDomainScreenshot(fixture->domain, stream, 0, 0);
    assert_non_null(type);
    free(type);
    fixture->stream = libvirt_stream_new(stream);
    fixture->channel = libvirt_channel_new(fixture->stream);
    fixture->input = g_io_stream_get_input_stream(fixture->channel);
    fixture->output = g_io_stream_get_output_stream(fixture->channel);
    fixture->all = g_byte_array_new();
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    g_object_unref(fixture->channel);
    await_ms(20); /* it is let go of by a thread, and its callback by the main loop */
    libvirt_stream_unref(fixture->stream);
    g_byte_array_unref(fixture->all);
    g_clear_error(&fixture->error);
    virDomainFree(fixture->domain);
    virConnectClose(fixture->connection);
    g_free(fixture);
    return 0;
}

static void
on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *fixture = data;
    g_autoptr(GBytes) bytes =
        g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, &fixture->error);

    if (bytes && g_bytes_get_size(bytes) > 0) {
        g_byte_array_append(fixture->all, g_bytes_get_data(bytes, NULL),
                            (guint)g_bytes_get_size(bytes));
        g_input_stream_read_bytes_async(fixture->input, 1000, G_PRIORITY_DEFAULT, NULL, on_read,
                                        fixture);
    } else {
        fixture->ended = TRUE;
    }
}

static gboolean
has_ended(gpointer data)
{
    return ((Fixture *)data)->ended;
}

static gboolean
is_readable(gpointer data)
{
    return libvirt_stream_is_readable(((Fixture *)data)->stream);
}

static gboolean
stream_has_ended(gpointer data)
{
    return libvirt_stream_has_ended(((Fixture *)data)->stream);
}

static void
read_on(Fixture *fixture, GCancellable *cancellable)
{
    g_input_stream_read_bytes_async(fixture->input, 1000, G_PRIORITY_DEFAULT, cancellable, on_read,
                                    fixture);
}

static void
assert_error(const Fixture *fixture, GIOErrorEnum code)
{
    assert_true(g_error_matches(fixture->error, G_IO_ERROR, (int)code));
}

/* All of it comes, in pieces, and then the end. */
static void
test_is_read_to_its_end(void **state)
{
    Fixture *fixture = *state;
    static const guint8 png[] = { 0x89, 'P', 'N', 'G' };

    read_on(fixture, NULL);
    await_condition(has_ended, fixture, "the end");
    assert_null(fixture->error);
    assert_true(fixture->all->len > 10000);
    assert_memory_equal(fixture->all->data, png, sizeof(png));
    assert_memory_equal(fixture->all->data + fixture->all->len - 8, "IEND", 4);
}

/* What has come before it ended is there still. */
static void
test_what_came_can_be_read_later(void **state)
{
    Fixture *fixture = *state;

    await_condition(stream_has_ended, fixture, "the end");
    assert_int_equal(fixture->all->len, 0);
    read_on(fixture, NULL);
    await_condition(has_ended, fixture, "the end of reading");
    assert_null(fixture->error);
    assert_true(fixture->all->len > 10000);
}

static void
test_reading_does_not_block(void **state)
{
    Fixture *fixture = *state;
    GPollableInputStream *pollable = G_POLLABLE_INPUT_STREAM(fixture->input);
    char byte;

    assert_true(g_pollable_input_stream_can_poll(pollable));
    assert_false(g_pollable_input_stream_is_readable(pollable));
    assert_int_equal(
        g_pollable_input_stream_read_nonblocking(pollable, &byte, 1, NULL, &fixture->error), -1);
    assert_error(fixture, G_IO_ERROR_WOULD_BLOCK);
    g_clear_error(&fixture->error);
    await_condition(is_readable, fixture, "something to read");
    assert_int_equal(g_pollable_input_stream_read_nonblocking(pollable, &byte, 1, NULL, NULL), 1);
}

/* Whoever waits for bytes is told when somebody else ends it, and why. */
static void
test_ends_under_the_reader(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) why = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CLOSED, "it is over");

    read_on(fixture, NULL);
    libvirt_stream_end(fixture->stream, why);
    libvirt_stream_end(fixture->stream, NULL);
    await_condition(has_ended, fixture, "the end");
    assert_error(fixture, G_IO_ERROR_CLOSED);
    assert_string_equal(fixture->error->message, "it is over");
}

static void
on_closed(GObject *source, GAsyncResult *result, gpointer data)
{
    Fixture *fixture = data;

    fixture->ended = g_io_stream_close_finish(G_IO_STREAM(source), result, &fixture->error);
}

static void
test_is_closed(void **state)
{
    Fixture *fixture = *state;
    char byte = 'x';

    g_io_stream_close_async(fixture->channel, G_PRIORITY_DEFAULT, NULL, on_closed, fixture);
    await_condition(has_ended, fixture, "its closing");
    assert_null(fixture->error);
    assert_true(libvirt_stream_has_ended(fixture->stream));
    assert_int_equal(libvirt_stream_write(fixture->stream, &byte, 1, &fixture->error), -1);
    assert_error(fixture, G_IO_ERROR_BROKEN_PIPE);
}

static void
test_reading_is_cancelled(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();

    read_on(fixture, cancellable);
    g_cancellable_cancel(cancellable);
    await_condition(has_ended, fixture, "the end");
    assert_error(fixture, G_IO_ERROR_CANCELLED);
    assert_int_equal(fixture->all->len, 0);

    /* It only ended the waiting: all is there still. */
    g_clear_error(&fixture->error);
    fixture->ended = FALSE;
    read_on(fixture, NULL);
    await_condition(has_ended, fixture, "the end of reading");
    assert_null(fixture->error);
    assert_true(fixture->all->len > 10000);
}

/* Nobody reads what is written here: it ends before that is more than a socket holds. */
static void
test_bears_a_bounded_number_of_writes(void **state)
{
    static const guint8 frame[80] = { 0 };
    Fixture *fixture = *state;
    guint written = 0;

    while (g_output_stream_write(fixture->output, frame, sizeof(frame), NULL, &fixture->error) > 0)
        written++;
    assert_error(fixture, G_IO_ERROR_NO_SPACE);
    assert_true(libvirt_stream_has_ended(fixture->stream));
    /* 768 bytes each, of 212992. */
    assert_in_range(written, 50, 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_is_read_to_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_came_can_be_read_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reading_does_not_block, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends_under_the_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reading_is_cancelled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bears_a_bounded_number_of_writes, set_up, tear_down),
    };

    gvir_event_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
