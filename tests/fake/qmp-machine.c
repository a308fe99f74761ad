/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/fake/qmp-machine.h"

static const struct {
    const char *command;
    const char *arguments;
    const char *value;
} answers[] = {
    { "query-status", NULL, "{'status': 'running', 'running': true}" },
    { "qom-get", "{'path': '/machine', 'property': 'memory'}",
      "{'size': 268435456, 'max-size': 4294967296, 'slots': 4}" },
    { "qom-get", "{'path': '/machine', 'property': 'memory-backend'}", "'/objects/pc.ram'" },
    { "qom-get", "{'path': '/objects/pc.ram', 'property': 'type'}", "'memory-backend-ram'" },
    { "qom-get", "{'path': '/objects/pc.ram', 'property': 'share'}", "false" },
    { "qom-list", "{'path': '/objects/pc.ram'}", "[{'name': 'share', 'type': 'bool'}]" },
    { "qom-list", "{'path': '/machine/peripheral'}",
      "[{'name': 'b', 'type': 'child<virtio-balloon-pci>'}]" },
    { "qom-list", "{'path': '/machine/peripheral-anon'}", "[]" },
    { "query-memory-devices", NULL, "[]" },
    { "query-memdev", NULL, "[{'id': 'pc.ram', 'size': 268435456}]" },
    { "query-balloon", NULL, "{'actual': 268435456}" },
    { "query-migrate", NULL, "{}" },
    { "qom-get", "{'path': '/machine/peripheral/b', 'property': 'guest-stats'}",
      "{'stats': {'stat-free-memory': 1048576}, 'last-update': 1700000000}" },
};

void
fake_qmp_machine_stand(FakeQmpServer *server)
{
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++)
        fake_qmp_server_stand(server, answers[i].command, answers[i].arguments, answers[i].value);
}
