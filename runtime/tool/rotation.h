// Which file of a rotated log comes after another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/status.h"

namespace weir {

// How a person goes on behind files that can't be read on their own.
inline constexpr std::string_view kRotationWayOut =
    "send what of them isn't in the topic by `weir produce FILE`, move them to another folder, and "
    "the same command goes on";

struct SiblingFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t inode = 0;
  bool is_held = false;  // the one that was read until now, whatever it is named by now
};

// `name` is `followed` and what a rotation appends, such as .1, -20261129 or .2026-11-29.gz.
bool is_rotated_name(std::string_view followed, std::string_view name);

// The oldest of `siblings`, the files of the folder, that was rotated after the held one, or else
// `followed`: by its time of modification and, where all end in plain numbers, by number, be they
// counted downwards or upwards. Rotated are those with a rotated name, in the manner of the held
// file's if it has one, and those whose name differs from the held one's in its numbers only. Empty
// ones don't count.
//
// `held_ns`: the held file's time of modification, known also where it isn't among them. It isn't
// named `followed`.
//
// nullopt: none now. bad_input, with names and way out: times and numbers disagree, or what comes
// next is compressed in a way that can't be read (.gz can).
Result<std::optional<SiblingFile>> file_after_held(const std::string& followed,
                                                   const std::vector<SiblingFile>& siblings,
                                                   std::int64_t held_ns);

}  // namespace weir
