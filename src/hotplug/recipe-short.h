/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a guest ends elsewhere than at its target. A part of the recipe; for nobody else. Pure.
 */
#pragma once

#include "hotplug/recipe-question.h"

/* Returns: the reason, once nothing more can be done. */
RecipeShort recipe_short_reason(const RecipeQuestion *question);
