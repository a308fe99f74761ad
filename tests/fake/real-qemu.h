/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A real QEMU whose guest never runs (-S): memory can be plugged and read, nobody answers. Needs no
 * image and no KVM. */

#include <glib.h>

typedef struct RealQemu RealQemu;

/* Whether qemu-system-x86_64 is installed. */
gboolean real_qemu_is_available(void);

/* Starts one with its monitor on the UNIX socket `path` and `arguments` (NULL-terminated) besides
 * "-S -nodefaults -display none"; returns when it listens. It ends at the latest with the test
 * program. NULL with `error` if it does not come up. */
RealQemu *real_qemu_new(const char *path, const char *const *arguments, GError **error);

GPid real_qemu_get_pid(RealQemu *qemu);

/* Ends it by SIGKILL, which leaves its socket's file behind, and waits for its end. NULL is
 * allowed. */
void real_qemu_free(RealQemu *qemu);
