/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A skeleton calls its handlers through its vtable. A guarded one has another
 * vtable, whose method_call asks first and goes on, through the skeleton's own,
 * when the answer is there:
 *
 *   call ─▶ whose? ──▶ root ───────────────────────────────────────▶ handler
 *             │ GetConnectionUnixUser
 *             ├──▶ system bus: polkit's CheckAuthorization ──▶ yes ─▶ handler
 *             │       a prompt may take minutes          └───▶ no ──▶ AccessDenied
 *             └──▶ other bus: the daemon's own user, or only looks ─▶ handler
 *
 * (GDBus's own signal for this, g-authorize-method, is emitted in a thread that it
 * keeps for as long as the answer takes.) Nothing waits: each call is a Question
 * that holds what it needs, and the main loop goes on. How many there can be is
 * bounded by the bus, which allows each caller so many calls without a reply.
 *
 * polkit is asked by its bus interface
 * (https://www.freedesktop.org/software/polkit/docs/latest/eggdbus-interface-org.freedesktop.PolicyKit1.Authority.html)
 * over the connection that the call came by, so the subject is the caller's unique
 * name there, which nobody else can take.
 */
#include "daemon/bus-authority.h"

#include <unistd.h>

#define ACTION_LOOK       "org.memplug1.look"
#define ACTION_MANAGE     "org.memplug1.manage"
#define ACTION_ADMINISTER "org.memplug1.administer"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

/* CheckAuthorizationFlags */
#define POLKIT_ALLOW_USER_INTERACTION 1u

struct _BusAuthority {
    GDBusConnection *connection;
    gboolean asks_polkit;
    GCancellable *cancellable; /* of all that is being asked */
};

/*
 * Which method takes what
 */

static gboolean
setup_applies(GVariant *parameters)
{
    g_autoptr(GVariant) options = g_variant_get_child_value(parameters, 0);
    gboolean apply = FALSE;

    return g_variant_lookup(options, "apply", "b", &apply) && apply;
}

static gboolean
plug_is_kept(GVariant *parameters)
{
    gboolean config;

    g_variant_get(parameters, "(tb)", NULL, &config);
    return config;
}

static const struct {
    const char *method;
    const char *action;
    gboolean (*administers)(GVariant *parameters); /* whether it takes more this time */
} methods[] = {
    { "Diagnose", ACTION_LOOK },
    { "Explain", ACTION_LOOK },
    { "History", ACTION_LOOK },
    { "Record", ACTION_LOOK },
    { "Report", ACTION_LOOK },
    { "Setup", ACTION_LOOK, setup_applies },
    { "AwaitLease", ACTION_LOOK },
    { "DescribeHost", ACTION_LOOK },
    { "Reserve", ACTION_MANAGE },
    { "ReserveDomain", ACTION_MANAGE },
    { "HoldLease", ACTION_MANAGE },
    { "ReleaseLease", ACTION_MANAGE },
    /* What a running guest has, and who decides that. */
    { "SetMemory", ACTION_MANAGE },
    { "SetManaged", ACTION_MANAGE },
    { "Plug", ACTION_MANAGE },
    { "PlugVirtioMem", ACTION_MANAGE, plug_is_kept },
    { "Unplug", ACTION_MANAGE },
    /* What is kept in definitions, limits and the configuration. */
    { "StoreMemory", ACTION_ADMINISTER },
    { "SetLimits", ACTION_ADMINISTER },
    { "Reload", ACTION_ADMINISTER },
};

const char *
bus_authority_action(const char *method, GVariant *parameters)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (!g_str_equal(methods[i].method, method))
            continue;
        return parameters && methods[i].administers && methods[i].administers(parameters)
                   ? ACTION_ADMINISTER
                   : methods[i].action;
    }
    return ACTION_ADMINISTER;
}

/*
 * The authority, which lives as long as somebody asks it
 */

BusAuthority *
bus_authority_new(GDBusConnection *connection, gboolean asks_polkit)
{
    BusAuthority *authority = g_rc_box_new0(BusAuthority);

    authority->connection = g_object_ref(connection);
    authority->asks_polkit = asks_polkit;
    authority->cancellable = g_cancellable_new();
    return authority;
}

static void
authority_clear(gpointer data)
{
    BusAuthority *authority = data;

    g_object_unref(authority->connection);
    g_object_unref(authority->cancellable);
}

static void
authority_release(gpointer authority)
{
    g_rc_box_release_full(authority, authority_clear);
}

void
bus_authority_free(BusAuthority *authority)
{
    if (!authority)
        return;
    g_cancellable_cancel(authority->cancellable);
    authority_release(authority);
}

/*
 * One call that waits for its answer
 */

typedef struct {
    BusAuthority *authority;
    GDBusInterfaceSkeleton *skeleton;
    GDBusMethodInvocation *invocation; /* owned until it is answered or handed on */
    GDBusInterfaceMethodCallFunc handle;
    const char *action;
} Question;

static void
question_free(Question *question)
{
    authority_release(question->authority);
    g_object_unref(question->skeleton);
    g_free(question);
}

static void
grant(Question *question)
{
    GDBusMethodInvocation *invocation = question->invocation;

    /* The guest may have gone while somebody looked for his password. */
    if (g_dbus_interface_skeleton_get_connection(question->skeleton))
        question->handle(g_dbus_method_invocation_get_connection(invocation),
                         g_dbus_method_invocation_get_sender(invocation),
                         g_dbus_method_invocation_get_object_path(invocation),
                         g_dbus_method_invocation_get_interface_name(invocation),
                         g_dbus_method_invocation_get_method_name(invocation),
                         g_dbus_method_invocation_get_parameters(invocation), invocation,
                         question->skeleton);
    else
        g_dbus_method_invocation_return_error_literal(
            invocation, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT, "the guest is gone");
    question_free(question);
}

G_GNUC_PRINTF(2, 3)
static void
deny(Question *question, const char *format, ...)
{
    g_autofree char *why = NULL;
    va_list args;

    va_start(args, format);
    why = g_strdup_vprintf(format, args);
    va_end(args);
    g_dbus_method_invocation_return_error(
        question->invocation, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "%s takes %s, %s",
        g_dbus_method_invocation_get_method_name(question->invocation), question->action, why);
    question_free(question);
}

/* Why polkit says no, and what would help. */
static const char *
describe_refusal(gboolean is_challenge, GVariant *details)
{
    if (g_variant_lookup(details, "polkit.dismissed", "&s", NULL))
        return "and the question for a password was dismissed";
    if (is_challenge)
        return "for which polkit wants a password, and has no way to ask you: run it from a "
               "session with a polkit agent (in a terminal, pkttyagent is one), ask as root, or "
               "have a rule below /etc/polkit-1/rules.d grant it to you";
    return "which polkit does not grant to you: ask as root, or have a rule below "
           "/etc/polkit-1/rules.d grant it to you";
}

static void
on_polkit(GObject *source, GAsyncResult *result, gpointer data)
{
    Question *question = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) details = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    gboolean authorized, is_challenge;

    if (!reply) {
        g_dbus_error_strip_remote_error(error);
        deny(question, "and polkit, which knows who may, cannot be asked (%s): ask as root",
             error->message);
        return;
    }
    g_variant_get(reply, "((bb@a{ss}))", &authorized, &is_challenge, &details);
    if (authorized)
        grant(question);
    else
        deny(question, "%s", describe_refusal(is_challenge, details));
}

static void
ask_polkit(Question *question)
{
    GDBusMethodInvocation *invocation = question->invocation;
    GDBusMessageFlags flags =
        g_dbus_message_get_flags(g_dbus_method_invocation_get_message(invocation));
    gboolean may_prompt = (flags & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
    GVariantBuilder subject;

    g_variant_builder_init(&subject, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&subject, "{sv}", "name",
                          g_variant_new_string(g_dbus_method_invocation_get_sender(invocation)));
    g_dbus_connection_call(question->authority->connection, POLKIT_NAME, POLKIT_PATH,
                           POLKIT_INTERFACE, "CheckAuthorization",
                           g_variant_new("((sa{sv})sa{ss}us)", "system-bus-name", &subject,
                                         question->action, NULL,
                                         may_prompt ? POLKIT_ALLOW_USER_INTERACTION : 0u, ""),
                           G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, G_MAXINT,
                           question->authority->cancellable, on_polkit, question);
}

static void
on_user(GObject *source, GAsyncResult *result, gpointer data)
{
    Question *question = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    guint32 uid;

    if (!reply) {
        g_dbus_error_strip_remote_error(error);
        deny(question, "and the bus does not tell who you are: %s", error->message);
        return;
    }
    g_variant_get(reply, "(u)", &uid);
    if (uid == 0)
        grant(question);
    else if (question->authority->asks_polkit)
        ask_polkit(question);
    else if (uid == geteuid() || g_str_equal(question->action, ACTION_LOOK))
        grant(question);
    else
        deny(question,
             "which on this bus nobody has but root and the user whom memplugd runs as (%u); you "
             "are %u and may look",
             (guint)geteuid(), uid);
}

/*
 * The guarded skeleton
 */

typedef struct {
    BusAuthority *authority;
    GDBusInterfaceMethodCallFunc handle; /* the skeleton's own */
    GDBusInterfaceVTable vtable;         /* what it has instead */
} Guard;

static const char guard_key[] = "memplug-bus-guard";

static void
guard_free(gpointer data)
{
    Guard *guard = data;

    authority_release(guard->authority);
    g_free(guard);
}

static void
on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
        const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    const Guard *guard = g_object_get_data(data, guard_key);
    Question *question = g_new0(Question, 1);

    question->authority = g_rc_box_acquire(guard->authority);
    question->skeleton = g_object_ref(data);
    question->invocation = invocation;
    question->handle = guard->handle;
    question->action = bus_authority_action(method, parameters);
    g_dbus_connection_call(
        connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "GetConnectionUnixUser", g_variant_new("(s)", sender), G_VARIANT_TYPE("(u)"),
        G_DBUS_CALL_FLAGS_NONE, -1, guard->authority->cancellable, on_user, question);
}

static GDBusInterfaceVTable *
get_vtable(GDBusInterfaceSkeleton *skeleton)
{
    Guard *guard = g_object_get_data(G_OBJECT(skeleton), guard_key);

    /* Without a guard nothing may be called: better an abort than an open door. */
    g_assert(guard);
    return &guard->vtable;
}

void
bus_authority_guard_class(GDBusInterfaceSkeletonClass *class)
{
    class->get_vtable = get_vtable;
}

void
bus_authority_guard(BusAuthority *authority, GDBusInterfaceSkeleton *skeleton)
{
    GDBusInterfaceSkeletonClass *parent =
        g_type_class_peek_parent(G_DBUS_INTERFACE_SKELETON_GET_CLASS(skeleton));
    Guard *guard = g_new0(Guard, 1);

    guard->authority = g_rc_box_acquire(authority);
    guard->vtable = *parent->get_vtable(skeleton);
    guard->handle = guard->vtable.method_call;
    guard->vtable.method_call = on_call;
    g_object_set_data_full(G_OBJECT(skeleton), guard_key, guard, guard_free);
}
