/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Guests are asked one after the other, so what one has is older than what the next has, and what
 * the one gave in between the other may have got: the sum of one round can be more than there ever
 * was. But between two rounds there is a moment in which each had what lies between its two
 * answers. So the sum of the lesser ones was there, and that is what counts.
 */
#include "tests/guest/harness/test-watch.h"

#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <unistd.h>

#define PAUSE_US 2000

/* One QEMU. */
typedef struct {
    TestGuest *guest; /* or ... */
    char *path;       /* ... this: owned; its monitor ... */
    Witness *own;     /* ... and our client of it, once it is there */
    GSubprocess *process;
    guint64 had; /* in the round before; 0: it was not there */
} Watched;

struct TestWatch {
    GMutex lock;
    GThread *thread;
    GPtrArray *watched; /* Watched */
    gboolean stop;
    TestWatched seen;
    GError *failure;
};

static void
watched_free(Watched *watched)
{
    g_free(watched->path);
    witness_free(watched->own);
    g_free(watched);
}

static guint64
resident(GSubprocess *process)
{
    const char *pid = g_subprocess_get_identifier(process);
    g_autofree char *path = g_strdup_printf("/proc/%s/statm", pid ? pid : "0");
    g_autofree char *text = NULL;
    unsigned long long pages = 0;

    if (g_file_get_contents(path, &text, NULL, NULL))
        sscanf(text, "%*s %llu", &pages);
    return pages * (guint64)sysconf(_SC_PAGESIZE);
}

/* A QEMU that has not come yet is no failure, nor one that has gone. */
static Witness *
find_witness(Watched *watched)
{
    g_autoptr(GSocketClient) client = NULL;
    g_autoptr(GSocketAddress) address = NULL;
    g_autoptr(GSocketConnection) connection = NULL;

    if (watched->guest)
        return test_guest_witness(watched->guest);
    if (watched->own || !g_file_test(watched->path, G_FILE_TEST_EXISTS))
        return watched->own;
    client = g_socket_client_new();
    address = g_unix_socket_address_new(watched->path);
    connection = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);
    if (connection)
        watched->own = witness_new(connection, NULL);
    return watched->own;
}

static guint64
ask(TestWatch *watch, Watched *watched)
{
    Witness *witness = find_witness(watched);
    g_autoptr(GError) error = NULL;
    guint64 actual = 0, ballooned;

    if (!witness || witness_actual(witness, &actual, &ballooned, &error))
        return actual;
    if (watched->guest && !watch->failure)
        watch->failure = g_steal_pointer(&error);
    g_clear_pointer(&watched->own, witness_free);
    return 0;
}

static void
look(TestWatch *watch)
{
    guint64 sum = 0, host = 0;

    for (guint i = 0; i < watch->watched->len; i++) {
        Watched *watched = watch->watched->pdata[i];
        guint64 has = ask(watch, watched);

        sum += MIN(has, watched->had);
        watched->had = has;
        host += resident(watched->process);
    }
    watch->seen.looks += watch->watched->len > 0 ? 1 : 0;
    watch->seen.most = MAX(watch->seen.most, sum);
    watch->seen.most_resident = MAX(watch->seen.most_resident, host);
}

static gpointer
run(gpointer data)
{
    TestWatch *watch = data;
    gboolean stop;

    do {
        g_mutex_lock(&watch->lock);
        look(watch);
        stop = watch->stop;
        g_mutex_unlock(&watch->lock);
        g_usleep(PAUSE_US);
    } while (!stop);
    return NULL;
}

TestWatch *
test_watch_new(void)
{
    TestWatch *watch = g_new0(TestWatch, 1);

    g_mutex_init(&watch->lock);
    watch->watched = g_ptr_array_new_with_free_func((GDestroyNotify)watched_free);
    watch->thread = g_thread_new("watch", run, watch);
    return watch;
}

void
test_watch_free(TestWatch *watch)
{
    if (!watch)
        return;
    g_mutex_lock(&watch->lock);
    watch->stop = TRUE;
    g_mutex_unlock(&watch->lock);
    g_thread_join(watch->thread);
    g_ptr_array_unref(watch->watched);
    g_clear_error(&watch->failure);
    g_mutex_clear(&watch->lock);
    g_free(watch);
}

static void
add(TestWatch *watch, Watched *watched)
{
    g_mutex_lock(&watch->lock);
    g_ptr_array_add(watch->watched, watched);
    g_mutex_unlock(&watch->lock);
}

static void
remove_process(TestWatch *watch, GSubprocess *process)
{
    g_mutex_lock(&watch->lock);
    for (guint i = watch->watched->len; i > 0; i--) {
        if (((Watched *)watch->watched->pdata[i - 1])->process == process)
            g_ptr_array_remove_index(watch->watched, i - 1);
    }
    g_mutex_unlock(&watch->lock);
}

void
test_watch_add(TestWatch *watch, TestGuest *guest)
{
    Watched *watched = g_new0(Watched, 1);

    watched->guest = guest;
    watched->process = test_guest_process(guest);
    add(watch, watched);
}

void
test_watch_remove(TestWatch *watch, TestGuest *guest)
{
    remove_process(watch, test_guest_process(guest));
}

void
test_watch_add_monitor(TestWatch *watch, const char *path, GSubprocess *process)
{
    Watched *watched = g_new0(Watched, 1);

    watched->path = g_strdup(path);
    watched->process = process;
    add(watch, watched);
}

void
test_watch_remove_monitor(TestWatch *watch, GSubprocess *process)
{
    remove_process(watch, process);
}

gboolean
test_watch_take(TestWatch *watch, TestWatched *what, GError **error)
{
    gboolean well;

    g_mutex_lock(&watch->lock);
    *what = watch->seen;
    watch->seen = (TestWatched){ 0 };
    well = !watch->failure && what->looks > 0;
    if (watch->failure)
        g_propagate_error(error, g_steal_pointer(&watch->failure));
    else if (!well)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "nobody was watched");
    g_mutex_unlock(&watch->lock);
    return well;
}

guint64
test_watch_resident(TestWatch *watch)
{
    guint64 sum = 0;

    g_mutex_lock(&watch->lock);
    for (guint i = 0; i < watch->watched->len; i++)
        sum += resident(((Watched *)watch->watched->pdata[i])->process);
    g_mutex_unlock(&watch->lock);
    return sum;
}
