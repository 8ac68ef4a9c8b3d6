// What librdkafka 2.0.2 writes as a consumer's group metadata, as far as it must be judged here:
// it has no accessors for it. Private to this folder.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir {

// The broker checks offsets against the member and generation that come with them, and takes them
// unchecked where neither comes. False for such a `membership`. One in an unknown form is left to
// the broker.
//
// The form: "CGMDv2:", the generation (32 bits, native order), the group's name and the member's,
// each ending with NUL, more.
inline bool names_a_member(std::string_view membership) {
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
