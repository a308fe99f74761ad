/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/libvirt/harness/test-libvirtd.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

/* The first start probes what QEMU can: 4 s under TCG. */
#define START_TIMEOUT   (60 * G_USEC_PER_SEC)
#define STOP_TIMEOUT    (20 * G_USEC_PER_SEC)
#define POLL_INTERVAL   (50 * 1000)
#define COMMAND_TIMEOUT 120 /* s */

struct TestLibvirtd {
    TestRoom *room;
    char *program;
    GStrv launch; /* the program, and what starts it */
    char *uri;
    char *pid_folder; /* of the domains' pid files */
    char *log_folder; /* of the domains' logs */
    char *log_path;
    guint mounted; /* of the mounts below, so many are done */
    GSubprocess *process;
};

/* Folders of the room, and what stands in their place for the system daemon. */
static const struct {
    const char *name;
    const char *place;
    gboolean is_file;
} mounts[] = {
    { "etc", "/etc/libvirt", FALSE },
    { "lib", "/var/lib/libvirt", FALSE },
    { "log", "/var/log/libvirt", FALSE },
    { "cache", "/var/cache/libvirt", FALSE },
    { "run", "/run", FALSE },
    { "passwd", "/etc/passwd", TRUE },
    { "group", "/etc/group", TRUE },
};

/* Domains run as root, since they belong to the test as all else does. */
static const char qemu_conf[] = "security_driver = \"none\"\n"
                                "cgroup_controllers = []\n"
                                "namespaces = []\n"
                                "remember_owner = 0\n"
                                "user = \"root\"\n"
                                "group = \"root\"\n"
                                "stdio_handler = \"file\"\n"
                                "max_queued = 0\n";
static const char session_qemu_conf[] = "stdio_handler = \"file\"\n";

/* Clients may still ask whether it lives; it asks nobody. */
static const char libvirtd_conf[] = "auth_unix_rw = \"none\"\n"
                                    "auth_unix_ro = \"none\"\n"
                                    "keepalive_interval = -1\n";
static const char system_libvirtd_conf[] = "unix_sock_group = \"root\"\n";

static gboolean
is_root(void)
{
    return geteuid() == 0;
}

static gboolean
fail_errno(GError **error, const char *what)
{
    int code = errno;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "%s: %s", what,
                g_strerror(code));
    return FALSE;
}

gboolean
test_libvirtd_isolate(GError **error)
{
    if (!is_root())
        return TRUE;
    if (unshare(CLONE_NEWNS) < 0)
        return fail_errno(error, "a mount namespace");
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 ||
           fail_errno(error, "a private mount namespace");
}

/* An ordinary user's PATH has no sbin. */
static char *
find_libvirtd(void)
{
    static const char *const names[] = { "libvirtd", "virtqemud" };
    static const char *const folders[] = { "/usr/sbin", "/usr/local/sbin" };
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        char *path = g_find_program_in_path(names[i]);
        for (guint j = 0; path == NULL && j < G_N_ELEMENTS(folders); j++) {
            g_autofree char *guess = g_build_filename(folders[j], names[i], NULL);
            path = g_find_program_in_path(guess);
        }
        if (path != NULL)
            return path;
    }
    return NULL;
}

char *
test_libvirtd_unavailable(void)
{
    g_autofree char *libvirtd = find_libvirtd();
    g_autofree char *virsh = g_find_program_in_path("virsh");
    if (libvirtd == NULL)
        return g_strdup("neither libvirtd nor virtqemud is installed");
    return virsh == NULL ? g_strdup("virsh is not installed") : NULL;
}

static gboolean
write_file(const char *folder, const char *name, GError **error, ...)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    va_list parts;
    va_start(parts, error);
    for (const char *part; (part = va_arg(parts, const char *)) != NULL;)
        g_string_append(text, part);
    va_end(parts);
    return g_file_set_contents(path, text->str, -1, error);
}

/*
 * A copy of an account file with an entry that Debian's libvirtd must find at its
 * start, even if its configuration names other accounts.
 */
static gboolean
copy_accounts(TestRoom *room, const char *name, const char *entry, GError **error)
{
    g_autofree char *source = g_build_filename("/etc", name, NULL);
    g_autofree char *path = test_room_path(room, name);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(source, &text, NULL, error))
        return FALSE;
    g_autofree char *all = g_strconcat(text, strstr(text, "\nlibvirt-qemu:") ? "" : entry, NULL);
    return g_file_set_contents(path, all, -1, error);
}

/* The tests' cache, of build-image too. XDG's variable will name another place. */
static const char *
keep_cache(void)
{
    g_autofree char *path = g_build_filename(g_get_user_cache_dir(), "memplug", NULL);
    g_setenv("MEMPLUG_CACHE_DIR", path, FALSE);
    return g_getenv("MEMPLUG_CACHE_DIR");
}

/*
 * libvirtd keeps what each QEMU can in its cache, by the time of that QEMU's change.
 * It takes 4 s to find out, so this one folder outlives the test.
 */
static char *
mount_source(TestLibvirtd *libvirtd, const char *name)
{
    return g_str_equal(name, "cache") ? g_build_filename(keep_cache(), "libvirt", NULL)
                                      : test_room_path(libvirtd->room, name);
}

static gboolean
make_mounts(TestLibvirtd *libvirtd, GError **error)
{
    while (libvirtd->mounted < G_N_ELEMENTS(mounts)) {
        const char *place = mounts[libvirtd->mounted].place;
        g_autofree char *source = mount_source(libvirtd, mounts[libvirtd->mounted].name);
        /* Not every package of libvirt brings every folder: the mounts need one. */
        if (!mounts[libvirtd->mounted].is_file &&
            (g_mkdir_with_parents(source, 0755) < 0 || g_mkdir_with_parents(place, 0755) < 0))
            return fail_errno(error, place);
        if (mount(source, place, NULL, MS_BIND, NULL) < 0)
            return fail_errno(error, place);
        libvirtd->mounted++;
    }
    return TRUE;
}

static void
undo_mounts(TestLibvirtd *libvirtd)
{
    /* Lazily: the guests still have files open there. */
    while (libvirtd->mounted > 0)
        umount2(mounts[--libvirtd->mounted].place, MNT_DETACH);
}

/* Whose console or channel is opened, libvirt locks there. */
static gboolean
make_lock_folder(GError **error)
{
    return g_mkdir_with_parents("/run/lock", 0755) == 0 || fail_errno(error, "/run/lock");
}

static gboolean
make_accounts(TestLibvirtd *libvirtd, GError **error)
{
    return copy_accounts(libvirtd->room, "passwd",
                         "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n",
                         error) &&
           copy_accounts(libvirtd->room, "group", "libvirt-qemu:x:64055:\n", error);
}

static void
name_system_folders(TestLibvirtd *libvirtd)
{
    libvirtd->pid_folder = test_room_path(libvirtd->room, "run/libvirt/qemu");
    libvirtd->log_folder = test_room_path(libvirtd->room, "log/qemu");
}

static gboolean
prepare_system(TestLibvirtd *libvirtd, const char *conf, GError **error)
{
    libvirtd->uri = g_strdup("qemu:///system");
    name_system_folders(libvirtd);
    return make_accounts(libvirtd, error) && make_mounts(libvirtd, error) &&
           make_lock_folder(error) &&
           write_file("/etc/libvirt", "qemu.conf", error, qemu_conf, NULL) &&
           write_file("/etc/libvirt", conf, error, libvirtd_conf, system_libvirtd_conf, NULL);
}

/* $1 is mounted at $2, and so on; the last is the program. */
static const char beside_script[] =
    "while [ $# -gt 1 ]; do mount --bind \"$1\" \"$2\"; shift 2; done\n"
    "mkdir -p /run/lock\n"
    "exec \"$1\"\n";

/* The first one's mounts but for the cache, made by the process itself. */
static gboolean
plan_mounts(TestLibvirtd *libvirtd, GError **error)
{
    g_autoptr(GStrvBuilder) line = g_strv_builder_new();
    g_strv_builder_add_many(line, "unshare", "--mount", "--propagation", "private", "sh", "-ec",
                            beside_script, "beside", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(mounts); i++) {
        g_autofree char *source = test_room_path(libvirtd->room, mounts[i].name);
        if (g_str_equal(mounts[i].name, "cache"))
            continue;
        if (!mounts[i].is_file && g_mkdir_with_parents(source, 0755) < 0)
            return fail_errno(error, source);
        g_strv_builder_add_many(line, source, mounts[i].place, NULL);
    }
    g_strv_builder_add(line, libvirtd->program);
    g_strfreev(libvirtd->launch);
    libvirtd->launch = g_strv_builder_end(line);
    return TRUE;
}

static gboolean
prepare_beside(TestLibvirtd *libvirtd, const char *conf, GError **error)
{
    g_autofree char *etc = test_room_path(libvirtd->room, "etc");
    g_autofree char *socket = test_room_path(libvirtd->room, "run/libvirt/libvirt-sock");
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *host = g_strdup_printf("host_uuid = \"%s\"\n", uuid);
    libvirtd->uri = g_strconcat("qemu+unix:///system?socket=", socket, NULL);
    name_system_folders(libvirtd);
    return make_accounts(libvirtd, error) && plan_mounts(libvirtd, error) &&
           write_file(etc, "qemu.conf", error, qemu_conf, NULL) &&
           write_file(etc, conf, error, libvirtd_conf, system_libvirtd_conf, host, NULL);
}

static gboolean
set_folder(TestLibvirtd *libvirtd, const char *variable, const char *name, GError **error)
{
    g_autofree char *path = test_room_path(libvirtd->room, name);
    if (g_mkdir_with_parents(path, 0700) < 0)
        return fail_errno(error, path);
    g_setenv(variable, path, TRUE);
    return TRUE;
}

static gboolean
prepare_session(TestLibvirtd *libvirtd, const char *conf, GError **error)
{
    g_autofree char *etc = test_room_path(libvirtd->room, "etc/libvirt");
    libvirtd->uri = g_strdup("qemu:///session");
    libvirtd->pid_folder = test_room_path(libvirtd->room, "run/libvirt/qemu/run");
    libvirtd->log_folder = test_room_path(libvirtd->room, "cache/libvirt/qemu/log");
    keep_cache();
    if (!set_folder(libvirtd, "XDG_RUNTIME_DIR", "run", error) ||
        !set_folder(libvirtd, "XDG_CONFIG_HOME", "etc", error) ||
        !set_folder(libvirtd, "XDG_CACHE_HOME", "cache", error) ||
        !set_folder(libvirtd, "XDG_DATA_HOME", "lib", error))
        return FALSE;
    if (g_mkdir_with_parents(etc, 0700) < 0)
        return fail_errno(error, etc);
    return write_file(etc, "qemu.conf", error, session_qemu_conf, NULL) &&
           write_file(etc, conf, error, libvirtd_conf, NULL);
}

static gboolean
answers(TestLibvirtd *libvirtd)
{
    return test_libvirtd_virsh(libvirtd, NULL, NULL, "version", NULL);
}

gboolean
test_libvirtd_restart(TestLibvirtd *libvirtd, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + START_TIMEOUT;
    test_libvirtd_kill(libvirtd);
    libvirtd->process = test_room_spawn(libvirtd->room, (const char *const *)libvirtd->launch,
                                        libvirtd->log_path, G_SUBPROCESS_FLAGS_NONE, error);
    if (libvirtd->process == NULL)
        return FALSE;
    while (!answers(libvirtd)) {
        if (g_subprocess_get_identifier(libvirtd->process) == NULL ||
            g_get_monotonic_time() > deadline) {
            g_autofree char *log = test_libvirtd_log(libvirtd);
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "libvirtd does not answer: %s", log);
            return FALSE;
        }
        g_usleep(POLL_INTERVAL);
    }
    return TRUE;
}

static TestLibvirtd *
start(TestRoom *room, gboolean (*prepare)(TestLibvirtd *, const char *, GError **), GError **error)
{
    g_autoptr(TestLibvirtd) libvirtd = g_new0(TestLibvirtd, 1);
    libvirtd->room = room;
    libvirtd->program = find_libvirtd();
    libvirtd->log_path = test_room_path(room, "libvirtd.log");
    if (libvirtd->program == NULL) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "libvirtd is not installed");
        return NULL;
    }
    g_autofree char *name = g_path_get_basename(libvirtd->program);
    g_autofree char *conf = g_strconcat(name, ".conf", NULL);
    libvirtd->launch = g_strdupv((char *[]){ libvirtd->program, NULL });
    /* A client must not start a libvirtd where the test has ended one. */
    g_setenv("LIBVIRT_AUTOSTART", "0", TRUE);
    if (!prepare(libvirtd, conf, error) ||
        !test_room_end_named(room, libvirtd->pid_folder, "qemu-", error) ||
        !test_libvirtd_restart(libvirtd, error))
        return NULL;
    return g_steal_pointer(&libvirtd);
}

TestLibvirtd *
test_libvirtd_start(TestRoom *room, GError **error)
{
    return start(room, is_root() ? prepare_system : prepare_session, error);
}

TestLibvirtd *
test_libvirtd_start_beside(TestRoom *room, GError **error)
{
    return start(room, prepare_beside, error);
}

void
test_libvirtd_free(TestLibvirtd *libvirtd)
{
    if (libvirtd == NULL)
        return;
    test_libvirtd_kill(libvirtd);
    undo_mounts(libvirtd);
    g_free(libvirtd->log_path);
    g_free(libvirtd->log_folder);
    g_free(libvirtd->pid_folder);
    g_strfreev(libvirtd->launch);
    g_free(libvirtd->program);
    g_free(libvirtd->uri);
    g_free(libvirtd);
}

void
test_libvirtd_kill(TestLibvirtd *libvirtd)
{
    test_room_kill(libvirtd->process);
    g_clear_object(&libvirtd->process);
}

gboolean
test_libvirtd_stop(TestLibvirtd *libvirtd, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + STOP_TIMEOUT;
    g_subprocess_send_signal(libvirtd->process, SIGTERM);
    /* An ended process has no identifier. */
    while (g_subprocess_get_identifier(libvirtd->process) != NULL) {
        if (g_get_monotonic_time() > deadline) {
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                "libvirtd does not end on SIGTERM");
            return FALSE;
        }
        g_usleep(POLL_INTERVAL);
    }
    g_clear_object(&libvirtd->process);
    return TRUE;
}

const char *
test_libvirtd_uri(TestLibvirtd *libvirtd)
{
    return libvirtd->uri;
}

TestRoom *
test_libvirtd_room(TestLibvirtd *libvirtd)
{
    return libvirtd->room;
}

static char *
read_text(const char *path)
{
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

char *
test_libvirtd_log(TestLibvirtd *libvirtd)
{
    return read_text(libvirtd->log_path);
}

char *
test_libvirtd_domain_log(TestLibvirtd *libvirtd, const char *domain)
{
    g_autofree char *name = g_strconcat(domain, ".log", NULL);
    g_autofree char *path = g_build_filename(libvirtd->log_folder, name, NULL);
    return read_text(path);
}

GPid
test_libvirtd_domain_pid(TestLibvirtd *libvirtd, const char *domain)
{
    g_autofree char *name = g_strconcat(domain, ".pid", NULL);
    g_autofree char *path = g_build_filename(libvirtd->pid_folder, name, NULL);
    g_autofree char *text = read_text(path);
    return (GPid)g_ascii_strtoll(text, NULL, 10);
}

gboolean
test_libvirtd_virsh_strv(TestLibvirtd *libvirtd, char **output, const char *const *arguments,
                         GError **error)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_strv_builder_add_many(builder, "virsh", "--quiet", "--connect", libvirtd->uri, NULL);
    g_strv_builder_addv(builder, (const char **)arguments);
    g_auto(GStrv) line = g_strv_builder_end(builder);
    g_autofree char *printed = NULL, *messages = NULL;
    int status = 0;
    if (!test_room_run(libvirtd->room, (const char *const *)line, COMMAND_TIMEOUT, &status,
                       &printed, &messages, error))
        return FALSE;
    if (status != 0) {
        g_autofree char *command = g_strjoinv(" ", line);
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: status %d: %s", command, status,
                    g_strchomp(messages));
        return FALSE;
    }
    if (output != NULL)
        *output = g_steal_pointer(&printed);
    return TRUE;
}

gboolean
test_libvirtd_virsh(TestLibvirtd *libvirtd, char **output, GError **error, ...)
{
    g_autoptr(GPtrArray) arguments = g_ptr_array_new();
    va_list values;
    va_start(values, error);
    for (char *value; (value = va_arg(values, char *)) != NULL;)
        g_ptr_array_add(arguments, value);
    va_end(values);
    g_ptr_array_add(arguments, NULL);
    return test_libvirtd_virsh_strv(libvirtd, output, (const char *const *)arguments->pdata, error);
}
