// "did you mean": the known name that a wrong one was probably meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weir {

// `; did you mean "spam"?`, or nothing where no name of `known` is near.
std::string did_you_mean(std::string_view wrong, std::span<const std::string> known);

}  // namespace weir
