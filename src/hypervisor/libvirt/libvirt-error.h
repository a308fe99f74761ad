/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's errors, which are kept for each thread, as GErrors in clear words.
 */
#pragma once

#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

/* Has libvirt say nothing on stderr by itself, in the whole process. */
void libvirt_error_silence(void);

/*
 * libvirt_error_take:
 * @what: (nullable): what failed, for the message: "cannot attach a DIMM"
 *
 * Sets @error from the last error in this thread, to a code of G_IO_ERROR:
 *   NOT_FOUND          there is no such domain, or it does not run
 *   BUSY               something else is being done with it
 *   PERMISSION_DENIED  this connection may not
 *   CONNECTION_CLOSED  libvirt has gone
 *   NOT_SUPPORTED, INVALID_ARGUMENT, FAILED
 * Returns: FALSE.
 */
gboolean libvirt_error_take(const char *what, GError **error);

/* Returns: (transfer full): @message without what means nothing to a person: the names
 *   of libvirt's layers and of QEMU's commands. For libvirt_error_take(), and tests. */
char *libvirt_error_clear_words(const char *message);

/* Returns: whether the last error in this thread says that one may look at most. */
gboolean libvirt_error_is_denial(void);
