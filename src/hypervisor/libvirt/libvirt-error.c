/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-error.h"

#include <errno.h>
#include <string.h>

static const struct {
    int libvirt;
    GIOErrorEnum code;
} codes[] = {
    { VIR_ERR_NO_DOMAIN, G_IO_ERROR_NOT_FOUND },
    { VIR_ERR_OPERATION_TIMEOUT, G_IO_ERROR_BUSY }, /* of waiting for the domain's job */
    { VIR_ERR_RESOURCE_BUSY, G_IO_ERROR_BUSY },
    { VIR_ERR_OPERATION_DENIED, G_IO_ERROR_PERMISSION_DENIED },
    { VIR_ERR_ACCESS_DENIED, G_IO_ERROR_PERMISSION_DENIED },
    { VIR_ERR_AUTH_FAILED, G_IO_ERROR_PERMISSION_DENIED },
    { VIR_ERR_AUTH_CANCELLED, G_IO_ERROR_PERMISSION_DENIED },
    { VIR_ERR_AUTH_UNAVAILABLE, G_IO_ERROR_PERMISSION_DENIED },
    { VIR_ERR_NO_SUPPORT, G_IO_ERROR_NOT_SUPPORTED },
    { VIR_ERR_OPERATION_UNSUPPORTED, G_IO_ERROR_NOT_SUPPORTED },
    { VIR_ERR_CONFIG_UNSUPPORTED, G_IO_ERROR_NOT_SUPPORTED },
    { VIR_ERR_INVALID_ARG, G_IO_ERROR_INVALID_ARGUMENT },
    { VIR_ERR_INVALID_CONN, G_IO_ERROR_CONNECTION_CLOSED },
    { VIR_ERR_NO_CONNECT, G_IO_ERROR_CONNECTION_CLOSED },
};

/* What libvirt's messages begin with, outermost first: the class of the error, which
 * the code says as well, then the command by which QEMU was asked. */
static const char *const prefixes[] = {
    "internal error: ",
    "operation failed: ",
    "Operation not supported: ",
    "unsupported configuration: ",
    "Requested operation is not valid: ",
    "Domain not found: ",
    "invalid argument: ",
    "Cannot recv data: ",
};

static void
ignore_error(void *data, virErrorPtr error)
{
}

void
libvirt_error_silence(void)
{
    virSetErrorFunc(NULL, ignore_error);
}

char *
libvirt_error_clear_words(const char *message)
{
    static const char unable[] = "unable to execute QEMU command '";
    const char *end;

    for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (g_str_has_prefix(message, prefixes[i]))
            message += strlen(prefixes[i]);
    }
    if (g_str_has_prefix(message, unable) && (end = strstr(message, "': ")))
        message = end + strlen("': ");
    return g_strdup(message);
}

static GIOErrorEnum
code_of(const virError *error)
{
    /* RPC errors say that a call did not come through, whatever the reason. */
    if (error->domain == VIR_FROM_RPC && error->code != VIR_ERR_RPC)
        return G_IO_ERROR_CONNECTION_CLOSED;
    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (error->code == codes[i].libvirt)
            return codes[i].code;
    }
    /* The one code for "it does not run" and "not in this state". */
    if (error->code == VIR_ERR_OPERATION_INVALID)
        return error->message && strstr(error->message, "not running") ? G_IO_ERROR_NOT_FOUND
                                                                       : G_IO_ERROR_BUSY;
    return G_IO_ERROR_FAILED;
}

gboolean
libvirt_error_take(const char *what, GError **error)
{
    const virError *last = virGetLastError();
    g_autofree char *words = NULL;

    if (!last || last->code == VIR_ERR_OK) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: libvirt does not say why",
                    what ? what : "failed");
        return FALSE;
    }
    words = libvirt_error_clear_words(last->message ? last->message : "libvirt does not say why");
    g_set_error(error, G_IO_ERROR, code_of(last), "%s%s%s", what ? what : "", what ? ": " : "",
                words);
    return FALSE;
}

gboolean
libvirt_error_is_denial(void)
{
    const virError *last = virGetLastError();

    if (!last)
        return FALSE;
    /* "Failed to connect socket ...: Permission denied", with errno in int1. */
    if (last->code == VIR_ERR_SYSTEM_ERROR)
        return last->int1 == EACCES || last->int1 == EPERM;
    return code_of(last) == G_IO_ERROR_PERMISSION_DENIED;
}
