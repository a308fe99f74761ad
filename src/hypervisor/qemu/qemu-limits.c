/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/qemu/qemu-limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

#define GROUP "limits"

/* Five keys with their comments; more is no configuration. */
#define SIZE_MAX_BYTES (64 * 1024)

/* What tells one state of a file from another. All zero: there is none. */
typedef struct {
    guint64 inode;
    gint64 size;
    gint64 changed_ns;
} Stamp;

struct QemuLimits {
    char *path;
    Stamp stamp;        /* of what was read last, good or bad */
    GuestLimits limits; /* in force */
};

QemuLimits *
qemu_limits_new(const char *path)
{
    QemuLimits *limits = g_new0(QemuLimits, 1);

    limits->path = g_strdup(path);
    return limits;
}

void
qemu_limits_free(QemuLimits *limits)
{
    if (!limits)
        return;
    g_free(limits->path);
    g_free(limits);
}

static Stamp
stamp_of(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return (Stamp){ 0 };
    return (Stamp){
        .inode = status.st_ino,
        .size = status.st_size,
        .changed_ns =
            status.st_ctim.tv_sec * G_GINT64_CONSTANT(1000000000) + status.st_ctim.tv_nsec,
    };
}

/* Reads a regular file of bounded size, and waits for nothing else: neither for the
 * writer of a FIFO nor for the end of /dev/zero. */
static GBytes *
read_bounded(const char *path, GError **error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        g_set_error_literal(error, G_IO_ERROR, g_io_error_from_errno(errno), g_strerror(errno));
        return NULL;
    }
    g_autofree char *text = g_malloc(SIZE_MAX_BYTES);
    gssize size = -1;

    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= SIZE_MAX_BYTES)
        size = read(fd, text, SIZE_MAX_BYTES);
    close(fd);
    if (size < 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "not a regular file of at most %d bytes", SIZE_MAX_BYTES);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&text), (gsize)size);
}

/* Whether keys come before any group: five keys need no heading. */
static gboolean
has_no_heading(const char *text, gsize size)
{
    g_auto(GStrv) lines = NULL;
    g_autofree char *copy = g_strndup(text, size);

    lines = g_strsplit(copy, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        const char *line = g_strchug(lines[i]);

        if (*line != '\0' && *line != '#')
            return *line != '[';
    }
    return FALSE;
}

static gboolean
parse(GKeyFile *file, GBytes *bytes, GError **error)
{
    gsize size;
    const char *text = g_bytes_get_data(bytes, &size);
    g_autofree char *headed = NULL;

    if (size == 0)
        return TRUE;
    if (has_no_heading(text, size)) {
        headed = g_strdup_printf("[" GROUP "]\n%.*s", (int)size, text);
        return g_key_file_load_from_data(file, headed, (gsize)-1, G_KEY_FILE_KEEP_COMMENTS, error);
    }
    return g_key_file_load_from_bytes(file, bytes, G_KEY_FILE_KEEP_COMMENTS, error);
}

/* Returns: (transfer full): the file's keys, none if it does not exist or is empty. */
static GKeyFile *
load(const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = read_bounded(path, &local);

    if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        return g_steal_pointer(&file);
    if (!bytes || !parse(file, bytes, &local)) {
        g_propagate_prefixed_error(error, g_steal_pointer(&local), "%s: ", path);
        return NULL;
    }
    return g_steal_pointer(&file);
}

/* A group that is not [limits] is a misspelt one: better refused than without effect. */
static gboolean
check_groups(GKeyFile *file, const char *path, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    for (guint i = 0; groups[i]; i++) {
        if (g_str_equal(groups[i], GROUP))
            continue;
        g_set_error(error, GUEST_LIMITS_ERROR, GUEST_LIMITS_ERROR_UNKNOWN,
                    "%s: [%s]: unknown group; only [" GROUP "] is known", path, groups[i]);
        return FALSE;
    }
    return TRUE;
}

static gboolean
read_limits(const char *path, GuestLimits *limits, GError **error)
{
    g_autoptr(GKeyFile) file = load(path, error);

    if (!file || !check_groups(file, path, error))
        return FALSE;
    if (!g_key_file_has_group(file, GROUP)) {
        *limits = (GuestLimits){ 0 };
        return TRUE;
    }
    return guest_limits_load(file, GROUP, path, limits, error);
}

const GuestLimits *
qemu_limits_refresh(QemuLimits *limits)
{
    Stamp stamp = stamp_of(limits->path);
    g_autoptr(GError) error = NULL;

    if (stamp.inode == limits->stamp.inode && stamp.size == limits->stamp.size &&
        stamp.changed_ns == limits->stamp.changed_ns)
        return &limits->limits;

    limits->stamp = stamp;
    if (!read_limits(limits->path, &limits->limits, &error))
        g_warning("%s; the limits before stay in force", error->message);
    return &limits->limits;
}

gboolean
qemu_limits_store(QemuLimits *limits, const GuestLimits *wanted, GError **error)
{
    g_autoptr(GKeyFile) file = load(limits->path, error);

    if (!file)
        return FALSE;
    guest_limits_store(wanted, file, GROUP);
    if (!g_key_file_save_to_file(file, limits->path, error)) {
        g_prefix_error(error, "%s: ", limits->path);
        return FALSE;
    }
    limits->stamp = stamp_of(limits->path);
    limits->limits = *wanted;
    return TRUE;
}
