/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a stream is readable changes only in the main loop in which its ends are waited
 * for, so their sources need no wake-up: they look before each turn.
 */
#include "hypervisor/libvirt/libvirt-channel.h"

/*
 * What is waited with
 */

typedef struct {
    GSource source;
    LibvirtStream *stream;
    gboolean (*is_ready)(const LibvirtStream *stream);
} Watch;

static gboolean
watch_prepare(GSource *source, gint *timeout)
{
    const Watch *watch = (const Watch *)source;

    *timeout = -1;
    return watch->is_ready(watch->stream);
}

static gboolean
watch_check(GSource *source)
{
    const Watch *watch = (const Watch *)source;

    return watch->is_ready(watch->stream);
}

static gboolean
watch_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    return G_SOURCE_CONTINUE; /* it is a part of another, which has the callback */
}

static void
watch_finalize(GSource *source)
{
    libvirt_stream_unref(((Watch *)source)->stream);
}

static GSource *
watch_new(gpointer end, LibvirtStream *stream, gboolean (*is_ready)(const LibvirtStream *stream),
          GCancellable *cancellable)
{
    static GSourceFuncs functions = { watch_prepare,  watch_check, watch_dispatch,
                                      watch_finalize, NULL,        NULL };
    g_autoptr(GSource) source = g_source_new(&functions, sizeof(Watch));
    GSource *whole = g_pollable_source_new_full(end, NULL, cancellable);
    Watch *watch = (Watch *)source;

    watch->stream = libvirt_stream_ref(stream);
    watch->is_ready = is_ready;
    g_source_add_child_source(whole, source);
    return whole;
}

/*
 * In
 */

#define TYPE_LIBVIRT_CHANNEL_INPUT (libvirt_channel_input_get_type())
G_DECLARE_FINAL_TYPE(LibvirtChannelInput, libvirt_channel_input, MEMPLUG, LIBVIRT_CHANNEL_INPUT,
                     GInputStream)

struct _LibvirtChannelInput {
    GInputStream parent;
    LibvirtStream *stream;
};

static gboolean
input_is_readable(GPollableInputStream *input)
{
    return libvirt_stream_is_readable(MEMPLUG_LIBVIRT_CHANNEL_INPUT(input)->stream);
}

static GSource *
input_create_source(GPollableInputStream *input, GCancellable *cancellable)
{
    return watch_new(input, MEMPLUG_LIBVIRT_CHANNEL_INPUT(input)->stream,
                     libvirt_stream_is_readable, cancellable);
}

static void
input_pollable_init(GPollableInputStreamInterface *interface)
{
    interface->is_readable = input_is_readable;
    interface->create_source = input_create_source;
}

G_DEFINE_FINAL_TYPE_WITH_CODE(LibvirtChannelInput, libvirt_channel_input, G_TYPE_INPUT_STREAM,
                              G_IMPLEMENT_INTERFACE(G_TYPE_POLLABLE_INPUT_STREAM,
                                                    input_pollable_init))

static gssize
input_read(GInputStream *input, void *buffer, gsize size, GCancellable *cancellable, GError **error)
{
    return libvirt_stream_read(MEMPLUG_LIBVIRT_CHANNEL_INPUT(input)->stream, buffer, size, error);
}

static void
input_close_async(GInputStream *input, int priority, GCancellable *cancellable,
                  GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(input, cancellable, callback, user_data);

    g_task_return_boolean(task, TRUE);
}

static gboolean
input_close_finish(GInputStream *input, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
libvirt_channel_input_finalize(GObject *object)
{
    libvirt_stream_unref(MEMPLUG_LIBVIRT_CHANNEL_INPUT(object)->stream);
    G_OBJECT_CLASS(libvirt_channel_input_parent_class)->finalize(object);
}

static void
libvirt_channel_input_class_init(LibvirtChannelInputClass *class)
{
    G_OBJECT_CLASS(class)->finalize = libvirt_channel_input_finalize;
    G_INPUT_STREAM_CLASS(class)->read_fn = input_read;
    G_INPUT_STREAM_CLASS(class)->close_async = input_close_async;
    G_INPUT_STREAM_CLASS(class)->close_finish = input_close_finish;
}

static void
libvirt_channel_input_init(LibvirtChannelInput *input)
{
}

/*
 * Out
 */

#define TYPE_LIBVIRT_CHANNEL_OUTPUT (libvirt_channel_output_get_type())
G_DECLARE_FINAL_TYPE(LibvirtChannelOutput, libvirt_channel_output, MEMPLUG, LIBVIRT_CHANNEL_OUTPUT,
                     GOutputStream)

struct _LibvirtChannelOutput {
    GOutputStream parent;
    LibvirtStream *stream;
};

/* What is written goes to libvirt at once, or fails. */
static gboolean
always(const LibvirtStream *stream)
{
    return TRUE;
}

static gboolean
output_is_writable(GPollableOutputStream *output)
{
    return TRUE;
}

static GSource *
output_create_source(GPollableOutputStream *output, GCancellable *cancellable)
{
    return watch_new(output, MEMPLUG_LIBVIRT_CHANNEL_OUTPUT(output)->stream, always, cancellable);
}

static void
output_pollable_init(GPollableOutputStreamInterface *interface)
{
    interface->is_writable = output_is_writable;
    interface->create_source = output_create_source;
}

G_DEFINE_FINAL_TYPE_WITH_CODE(LibvirtChannelOutput, libvirt_channel_output, G_TYPE_OUTPUT_STREAM,
                              G_IMPLEMENT_INTERFACE(G_TYPE_POLLABLE_OUTPUT_STREAM,
                                                    output_pollable_init))

static gssize
output_write(GOutputStream *output, const void *buffer, gsize size, GCancellable *cancellable,
             GError **error)
{
    return libvirt_stream_write(MEMPLUG_LIBVIRT_CHANNEL_OUTPUT(output)->stream, buffer, size,
                                error);
}

static void
output_close_async(GOutputStream *output, int priority, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(output, cancellable, callback, user_data);

    g_task_return_boolean(task, TRUE);
}

static gboolean
output_close_finish(GOutputStream *output, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

static void
libvirt_channel_output_finalize(GObject *object)
{
    libvirt_stream_unref(MEMPLUG_LIBVIRT_CHANNEL_OUTPUT(object)->stream);
    G_OBJECT_CLASS(libvirt_channel_output_parent_class)->finalize(object);
}

static void
libvirt_channel_output_class_init(LibvirtChannelOutputClass *class)
{
    G_OBJECT_CLASS(class)->finalize = libvirt_channel_output_finalize;
    G_OUTPUT_STREAM_CLASS(class)->write_fn = output_write;
    G_OUTPUT_STREAM_CLASS(class)->close_async = output_close_async;
    G_OUTPUT_STREAM_CLASS(class)->close_finish = output_close_finish;
}

static void
libvirt_channel_output_init(LibvirtChannelOutput *output)
{
}

/*
 * Both
 */

struct _LibvirtChannel {
    GIOStream parent;
    LibvirtStream *stream;
    LibvirtChannelInput *input;
    LibvirtChannelOutput *output;
};

G_DEFINE_FINAL_TYPE(LibvirtChannel, libvirt_channel, G_TYPE_IO_STREAM)

static GInputStream *
channel_get_input(GIOStream *channel)
{
    return G_INPUT_STREAM(MEMPLUG_LIBVIRT_CHANNEL(channel)->input);
}

static GOutputStream *
channel_get_output(GIOStream *channel)
{
    return G_OUTPUT_STREAM(MEMPLUG_LIBVIRT_CHANNEL(channel)->output);
}

static gboolean
channel_close(GIOStream *channel, GCancellable *cancellable, GError **error)
{
    libvirt_stream_end(MEMPLUG_LIBVIRT_CHANNEL(channel)->stream, NULL);
    return TRUE;
}

static void
channel_close_async(GIOStream *channel, int priority, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(channel, cancellable, callback, user_data);

    g_task_return_boolean(task, channel_close(channel, NULL, NULL));
}

static gboolean
channel_close_finish(GIOStream *channel, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

GIOStream *
libvirt_channel_new(LibvirtStream *stream)
{
    LibvirtChannel *channel = g_object_new(TYPE_LIBVIRT_CHANNEL, NULL);

    channel->stream = libvirt_stream_ref(stream);
    channel->input = g_object_new(TYPE_LIBVIRT_CHANNEL_INPUT, NULL);
    channel->input->stream = libvirt_stream_ref(stream);
    channel->output = g_object_new(TYPE_LIBVIRT_CHANNEL_OUTPUT, NULL);
    channel->output->stream = libvirt_stream_ref(stream);
    return G_IO_STREAM(channel);
}

static void
libvirt_channel_finalize(GObject *object)
{
    LibvirtChannel *channel = MEMPLUG_LIBVIRT_CHANNEL(object);

    g_object_unref(channel->input);
    g_object_unref(channel->output);
    libvirt_stream_unref(channel->stream);
    G_OBJECT_CLASS(libvirt_channel_parent_class)->finalize(object);
}

static void
libvirt_channel_class_init(LibvirtChannelClass *class)
{
    GIOStreamClass *stream_class = G_IO_STREAM_CLASS(class);

    G_OBJECT_CLASS(class)->finalize = libvirt_channel_finalize;
    stream_class->get_input_stream = channel_get_input;
    stream_class->get_output_stream = channel_get_output;
    stream_class->close_fn = channel_close;
    stream_class->close_async = channel_close_async;
    stream_class->close_finish = channel_close_finish;
}

static void
libvirt_channel_init(LibvirtChannel *channel)
{
}
