/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What is to be done comes by a queue, in order. Each piece of lines is written with one
 * write() and nothing is synced: what a crash of the host takes is the last seconds, and a
 * torn line at the end. A file is never appended to by another process or a later daemon,
 * so it needs no repair.
 *
 * A file that is being written is locked (flock), so that a second memplugd with the same
 * folder (one that runs with --dry-run beside another) neither compresses nor removes it.
 * With each new file the folder is put in order: files that nobody writes are compressed,
 * also those that a killed daemon left; then the oldest go, until what is there and the file to
 * come fit into the size.
 */
#include "daemon/journal-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* More than a slow disk falls behind by, and little beside what the guests have. */
#define BACKLOG_MOST (16 * 1024 * 1024)

/* How long the end of a daemon waits for a disk that hangs. */
#define END_TIMEOUT_US (3 * G_TIME_SPAN_SECOND)

#define SUFFIX_PLAIN  ".jsonl"
#define SUFFIX_PACKED ".jsonl.gz"
#define TIME_FORMAT   "%Y%m%dT%H%M%S"

typedef enum { WORK_BEGIN, WORK_WRITE, WORK_SYNC, WORK_QUIT } WorkKind;

typedef struct {
    WorkKind kind;
    gint64 wall_us;
    JournalKeeping keeping;
    char *text;
    gsize length;
    GAsyncQueue *done; /* told when it is this piece's turn */
} Work;

static void
work_free(gpointer data)
{
    Work *work = data;

    g_clear_pointer(&work->done, g_async_queue_unref);
    g_free(work->text);
    g_free(work);
}

struct _JournalWriter {
    char *folder;
    char *prefix;
    JournalKeeping keeping;
    JournalWriterTold told;
    gpointer data;
    GMainContext *context;
    GAsyncQueue *queue;
    GThread *thread;
    gint backlog; /* atomic: bytes */

    /* the thread's own */
    int fd;     /* -1: nothing is written */
    char *path; /* of the file that is written */
    gboolean failed;
};

/*
 * Telling
 */

typedef struct {
    JournalWriter *writer; /* a reference */
    char *trouble;
} Telling;

static void
writer_clear(gpointer data)
{
    JournalWriter *writer = data;

    g_free(writer->folder);
    g_free(writer->prefix);
    g_free(writer->path);
    g_main_context_unref(writer->context);
    g_async_queue_unref(writer->queue);
}

static void
telling_free(gpointer data)
{
    Telling *telling = data;

    g_atomic_rc_box_release_full(telling->writer, writer_clear);
    g_free(telling->trouble);
    g_free(telling);
}

static gboolean
tell(gpointer data)
{
    Telling *telling = data;

    if (telling->writer->told)
        telling->writer->told(telling->writer->data, telling->trouble);
    return G_SOURCE_REMOVE;
}

static void
tell_main(JournalWriter *writer, const char *trouble)
{
    g_autoptr(GSource) source = g_idle_source_new();
    Telling *telling = g_new0(Telling, 1);

    telling->writer = g_atomic_rc_box_acquire(writer);
    telling->trouble = g_strdup(trouble);
    g_source_set_callback(source, tell, telling, telling_free);
    g_source_attach(source, writer->context);
}

G_GNUC_PRINTF(2, 3)
static void
fail(JournalWriter *writer, const char *format, ...)
{
    g_autofree char *trouble = NULL;
    va_list args;

    va_start(args, format);
    trouble = g_strdup_vprintf(format, args);
    va_end(args);
    if (writer->fd >= 0)
        close(writer->fd);
    writer->fd = -1;
    writer->failed = TRUE;
    tell_main(writer, trouble);
}

/*
 * Names
 */

static char *
name_of(const char *prefix, gint64 wall_us)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(wall_us / G_USEC_PER_SEC);
    g_autofree char *seconds = time ? g_date_time_format(time, TIME_FORMAT) : NULL;

    return g_strdup_printf("%s%s.%06dZ" SUFFIX_PLAIN, prefix, seconds ? seconds : "0",
                           (int)(wall_us % G_USEC_PER_SEC));
}

gint64
journal_writer_begun(const char *path, const char *prefix)
{
    g_autofree char *name = g_path_get_basename(path);
    int year, month, day, hour, minute, second, us;
    g_autoptr(GDateTime) time = NULL;

    if (!g_str_has_prefix(name, prefix) ||
        sscanf(name + strlen(prefix), "%4d%2d%2dT%2d%2d%2d.%6dZ", &year, &month, &day, &hour,
               &minute, &second, &us) != 7)
        return 0;
    time = g_date_time_new_utc(year, month, day, hour, minute, second);
    return time ? g_date_time_to_unix(time) * G_USEC_PER_SEC + us : 0;
}

static int
compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **
journal_writer_list(const char *folder, const char *prefix)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    GPtrArray *paths = g_ptr_array_new();
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_prefix(name, prefix) &&
            (g_str_has_suffix(name, SUFFIX_PLAIN) || g_str_has_suffix(name, SUFFIX_PACKED)))
            g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
    }
    g_ptr_array_sort(paths, compare_paths);
    g_ptr_array_add(paths, NULL);
    return (char **)g_ptr_array_free(paths, FALSE);
}

char **
journal_writer_list_span(const char *folder, const char *prefix, gint64 since_us, gint64 until_us)
{
    g_auto(GStrv) paths = journal_writer_list(folder, prefix);
    GPtrArray *chosen = g_ptr_array_new();

    for (guint i = 0; paths[i] && since_us < until_us; i++) {
        /* Over before, or begun after. */
        if ((paths[i + 1] && journal_writer_begun(paths[i + 1], prefix) <= since_us) ||
            journal_writer_begun(paths[i], prefix) >= until_us)
            continue;
        g_ptr_array_add(chosen, g_strdup(paths[i]));
    }
    g_ptr_array_add(chosen, NULL);
    return (char **)g_ptr_array_free(chosen, FALSE);
}

/*
 * The folder in order
 */

/* Returns: whether nobody writes the file. */
static gboolean
is_left(const char *path)
{
    int fd = g_open(path, O_RDONLY | O_CLOEXEC, 0);
    gboolean left = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

    if (fd >= 0)
        close(fd);
    return left;
}

static gboolean
pack_to(const char *path, const char *packed, GError **error)
{
    g_autoptr(GFile) from = g_file_new_for_path(path);
    g_autoptr(GFileInputStream) input = g_file_read(from, NULL, error);
    g_autoptr(GFile) to = g_file_new_for_path(packed);
    g_autoptr(GFileOutputStream) output = NULL;
    g_autoptr(GZlibCompressor) gzip = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9);
    g_autoptr(GOutputStream) stream = NULL;

    if (!input)
        return FALSE;
    output = g_file_replace(to, NULL, FALSE, G_FILE_CREATE_PRIVATE, NULL, error);
    if (!output)
        return FALSE;
    stream = g_converter_output_stream_new(G_OUTPUT_STREAM(output), G_CONVERTER(gzip));
    return g_output_stream_splice(stream, G_INPUT_STREAM(input),
                                  G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE |
                                      G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                  NULL, error) >= 0;
}

/* What cannot be compressed stays as it is: it can be read as well. */
static void
pack(const char *path)
{
    g_autofree char *packed = g_strconcat(path, ".gz", NULL);
    g_autofree char *half = g_strconcat(packed, ".half", NULL);
    GStatBuf status;

    if (pack_to(path, half, NULL) && g_chmod(half, 0640) == 0 && g_stat(path, &status) == 0) {
        const struct timespec times[] = { status.st_mtim, status.st_mtim };

        utimensat(AT_FDCWD, half, times, 0);
        if (g_rename(half, packed) == 0)
            g_unlink(path);
    }
    g_unlink(half);
}

static void
pack_all(JournalWriter *writer)
{
    g_auto(GStrv) paths = journal_writer_list(writer->folder, writer->prefix);

    for (char **path = paths; *path; path++) {
        if (g_str_has_suffix(*path, SUFFIX_PLAIN) && g_strcmp0(*path, writer->path) != 0 &&
            is_left(*path))
            pack(*path);
    }
}

static void
remove_surplus(JournalWriter *writer, const JournalKeeping *keeping)
{
    g_auto(GStrv) paths = journal_writer_list(writer->folder, writer->prefix);
    gint64 oldest_s = (g_get_real_time() - keeping->max_age_us) / G_USEC_PER_SEC;
    guint64 room =
        keeping->max_size > keeping->file_size ? keeping->max_size - keeping->file_size : 0;
    guint64 kept = 0;

    /* From the newest on: what does not fit any more goes, with all that is older. */
    for (guint i = g_strv_length(paths); i-- > 0;) {
        GStatBuf status;

        if (g_strcmp0(paths[i], writer->path) == 0 || g_stat(paths[i], &status) != 0)
            continue;
        kept += (guint64)status.st_size;
        if ((kept > room || status.st_mtime < oldest_s) && is_left(paths[i]))
            g_unlink(paths[i]);
    }
}

/*
 * Work
 */

static void
begin_file(JournalWriter *writer, const Work *work)
{
    g_autofree char *name = name_of(writer->prefix, work->wall_us);

    if (writer->fd >= 0)
        close(writer->fd);
    writer->fd = -1;
    g_free(writer->path);
    writer->path = g_build_filename(writer->folder, name, NULL);
    if (g_mkdir_with_parents(writer->folder, 0750) != 0) {
        fail(writer, "%s: %s", writer->folder, g_strerror(errno));
        return;
    }
    remove_surplus(writer, &work->keeping);
    writer->fd = g_open(writer->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
    if (writer->fd < 0) {
        fail(writer, "%s: %s", writer->path, g_strerror(errno));
        return;
    }
    /* Whatever the umask, which is for secrets. */
    if (fchmod(writer->fd, 0640) != 0 || flock(writer->fd, LOCK_EX | LOCK_NB) != 0)
        fail(writer, "%s: %s", writer->path, g_strerror(errno));
    else
        pack_all(writer);
}

static void
write_lines(JournalWriter *writer, const Work *work)
{
    gsize done = 0;

    while (writer->fd >= 0 && done < work->length) {
        gssize n = write(writer->fd, work->text + done, work->length - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            fail(writer, "%s: %s", writer->path, g_strerror(errno));
        else
            done += (gsize)n;
    }
    if (writer->fd < 0 || !writer->failed)
        return;
    writer->failed = FALSE;
    tell_main(writer, NULL);
}

static gpointer
run(gpointer data)
{
    JournalWriter *writer = data;

    for (;;) {
        Work *work = g_async_queue_pop(writer->queue);
        WorkKind kind = work->kind;

        if (kind == WORK_BEGIN)
            begin_file(writer, work);
        else if (kind == WORK_WRITE)
            write_lines(writer, work);
        g_atomic_int_add(&writer->backlog, -(gint)work->length);
        if (work->done)
            g_async_queue_push(work->done, GINT_TO_POINTER(TRUE));
        work_free(work);
        if (kind == WORK_QUIT)
            break;
    }
    if (writer->fd >= 0)
        close(writer->fd);
    return NULL;
}

static Work *
work_new(JournalWriter *writer, WorkKind kind)
{
    Work *work = g_new0(Work, 1);

    work->kind = kind;
    work->keeping = writer->keeping;
    return work;
}

/*
 * The main thread's side
 */

JournalWriter *
journal_writer_new(const char *folder, const char *prefix, const JournalKeeping *keeping,
                   JournalWriterTold told, gpointer data)
{
    JournalWriter *writer = g_atomic_rc_box_new0(JournalWriter);

    writer->folder = g_strdup(folder);
    writer->prefix = g_strdup(prefix);
    writer->keeping = *keeping;
    writer->told = told;
    writer->data = data;
    writer->context = g_main_context_ref_thread_default();
    writer->queue = g_async_queue_new_full(work_free);
    writer->fd = -1;
    writer->thread = g_thread_new("journal", run, writer);
    return writer;
}

/* Returns: whether it was done in time. */
static gboolean
await(JournalWriter *writer, WorkKind kind, gint64 timeout_us)
{
    g_autoptr(GAsyncQueue) done = g_async_queue_new();
    Work *work = work_new(writer, kind);

    work->done = g_async_queue_ref(done);
    g_async_queue_push(writer->queue, work);
    return g_async_queue_timeout_pop(done, (guint64)timeout_us) != NULL;
}

void
journal_writer_free(JournalWriter *writer)
{
    if (!writer)
        return;
    writer->told = NULL;
    /* A thread that hangs on a disk keeps what it needs, and ends with the process. */
    if (!await(writer, WORK_QUIT, END_TIMEOUT_US))
        return;
    g_thread_join(writer->thread);
    g_atomic_rc_box_release_full(writer, writer_clear);
}

JournalWriter *
journal_writer_ref(JournalWriter *writer)
{
    return g_atomic_rc_box_acquire(writer);
}

void
journal_writer_unref(JournalWriter *writer)
{
    g_atomic_rc_box_release_full(writer, writer_clear);
}

void
journal_writer_keep(JournalWriter *writer, const JournalKeeping *keeping)
{
    writer->keeping = *keeping;
}

void
journal_writer_begin(JournalWriter *writer, gint64 wall_us)
{
    Work *work = work_new(writer, WORK_BEGIN);

    work->wall_us = wall_us;
    g_async_queue_push(writer->queue, work);
}

gboolean
journal_writer_write(JournalWriter *writer, const GString *lines)
{
    Work *work;

    if (lines->len > BACKLOG_MOST ||
        (gsize)g_atomic_int_get(&writer->backlog) + lines->len > BACKLOG_MOST)
        return FALSE;
    work = work_new(writer, WORK_WRITE);
    work->text = g_strndup(lines->str, lines->len);
    work->length = lines->len;
    g_atomic_int_add(&writer->backlog, (gint)lines->len);
    g_async_queue_push(writer->queue, work);
    return TRUE;
}

void
journal_writer_sync(JournalWriter *writer, gint64 timeout_us)
{
    await(writer, WORK_SYNC, timeout_us);
}
