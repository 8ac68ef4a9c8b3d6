// What librdkafka 2.0.2 writes as a consumer's group metadata, as far as it must be judged here:
// it has no accessors for it. Private to this folder.
#pragma once

#include <string_view>

namespace weir {

// The broker checks offsets against the member and generation that come with them, and takes them
// unchecked where neither comes. False for such a `membership`. One in an unknown form is left to
// the broker.
//
// The form: "CGMDv2:", the generation (32 bits, native order), the group's name and the member's,
// each ending with NUL, more.
bool names_a_member(std::string_view membership);

}  // namespace weir
