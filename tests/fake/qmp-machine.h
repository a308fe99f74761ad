/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Standing answers for a fake monitor that make it look like a whole machine: 256 MiB of private
 * boot memory, maxmem 4 GiB, 4 slots, a balloon that holds nothing, no memory devices, running.
 * A test replaces those that it is about. */

#include "tests/fake/qmp-server.h"

void fake_qmp_machine_stand(FakeQmpServer *server);
