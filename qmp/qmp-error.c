/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qmp/qmp-error.h"

G_DEFINE_QUARK(memplug_qmp_error_quark, qmp_error)

static const struct {
    const char *class_name;
    QmpError code;
} classes[] = {
    { "GenericError", QMP_ERROR_GENERIC },
    { "CommandNotFound", QMP_ERROR_COMMAND_NOT_FOUND },
    { "DeviceNotActive", QMP_ERROR_DEVICE_NOT_ACTIVE },
    { "DeviceNotFound", QMP_ERROR_DEVICE_NOT_FOUND },
    { "KVMMissingCap", QMP_ERROR_KVM_MISSING_CAP },
};

QmpError
qmp_error_from_class(const char *class_name)
{
    for (guint i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (g_str_equal(class_name, classes[i].class_name))
            return classes[i].code;
    }
    return QMP_ERROR_GENERIC;
}
