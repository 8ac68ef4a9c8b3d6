// What is wrong with deployments that are each right by themselves.
#pragma once

#include <span>
#include <vector>

#include "config/deployment.h"

namespace weir::config {

// - A file is named after its deployment.
// - A deployment has one file.
// - A dataset is written by one deployment.
std::vector<Problem> lint(std::span<const Deployment> deployments);

}  // namespace weir::config
