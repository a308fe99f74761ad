/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor/libvirt/libvirt-ost.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>

/* {"info": {"device": "dimm0", "source": 1, "status": 0, "slot": "0", "slot-type": "DIMM"}}:
 * qapi/acpi.json. "device" is missing of a device without an id. */
gboolean
libvirt_ost_read(const char *json, LibvirtOst *ost, GError **error)
{
    g_autoptr(JsonNode) node = json_from_string(json, error);
    JsonObject *event, *info = NULL;
    JsonNode *member;

    if (error && *error)
        return FALSE;
    event = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    member = event ? json_object_get_member(event, "info") : NULL;
    if (member && JSON_NODE_HOLDS_OBJECT(member))
        info = json_node_get_object(member);
    if (!info) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                            "ACPI_DEVICE_OST without its info");
        return FALSE;
    }
    *ost = (LibvirtOst){
        .source = json_object_get_int_member_with_default(info, "source", 0),
        .status = json_object_get_int_member_with_default(info, "status", 0),
    };
    if (g_strcmp0(json_object_get_string_member_with_default(info, "slot-type", NULL), "DIMM") == 0)
        ost->device = g_strdup(json_object_get_string_member_with_default(info, "device", NULL));
    return TRUE;
}

void
libvirt_ost_clear(LibvirtOst *ost)
{
    g_clear_pointer(&ost->device, g_free);
}
