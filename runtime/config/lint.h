// What is wrong with deployments that are each right by themselves.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/deployment.h"

namespace weir::config {

// Of those that are given; what they read from others is not looked into.
// - A deployment has one file.
// - A dataset is written by one deployment.
// - A version that is read isn't later than the one that its writer has reached: earlier ones may
//   well be there, and their readers move when they like.
// - A field is annotated once on the way of a record, as far as it leads through deployments that
//   were read with their spec (decisions/0006).
// - An output isn't kept for a shorter time than an input, as far as the given files say how long
//   that is (decisions/0013).
std::vector<Problem> lint(std::span<const Deployment> deployments);

// The longest that a file asks an external topic to be kept; nullopt: none does, so for ever.
std::optional<Retention> longest_retention(std::span<const Deployment> deployments,
                                           const std::string& topic);

// What may be meant, and is forgotten more often: a version is read that its writer has left
// behind.
std::vector<Problem> lint_notes(std::span<const Deployment> deployments);

}  // namespace weir::config
