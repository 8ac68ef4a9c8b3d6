#include "kafka/membership.h"

#include <cstdint>
#include <cstring>

namespace weir {

bool names_a_member(std::string_view membership) {
  constexpr std::string_view kMagic = "CGMDv2:";
  std::int32_t generation = 0;
  if (!membership.starts_with(kMagic) || membership.size() < kMagic.size() + sizeof(generation)) {
    return true;
  }
  std::memcpy(&generation, membership.data() + kMagic.size(), sizeof(generation));
  const std::size_t group_end = membership.find('\0', kMagic.size() + sizeof(generation));
  const bool has_member_name = group_end != std::string_view::npos &&
                               group_end + 1 < membership.size() &&
                               membership[group_end + 1] != '\0';
  return generation >= 0 && has_member_name;
}

}  // namespace weir
