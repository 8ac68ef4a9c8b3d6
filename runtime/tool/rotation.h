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
  // The one that was read until now, whatever it is named by now; of several names, each.
  bool is_held = false;
  bool was_read = false;  // to its end, before the held one
};

// `name` is `followed` with a number, a date or a time behind it or before its extension, and no
// more than the ending of a compressor: log.1, log-20261129, a.2026-11-29.log, log.2.gz.
bool is_rotated_name(std::string_view followed, std::string_view name);

// Of the rotated names those that aren't as app-2.log beside app.log, which is another log's as a
// rule.
bool is_hardly_another_log(std::string_view followed, std::string_view name);

// Of several names that the held file has, as hard links are, the followed one, or else one that a
// rotation gave. nullptr: it is gone.
const SiblingFile* find_held(const std::string& followed, const std::vector<SiblingFile>& siblings);

// The oldest of `siblings`, the files of the folder, that was rotated after the held one, or else
// `followed`. Rotated are those with a rotated name in the manner of the held file's; where that
// has none by now, nobody can tell them from those of another log, and it is `followed`. Empty ones
// don't count; those that are known to have been read before prove the order, and aren't read
// again.
//
// Names and times of modification have to agree, but that a date with its year in front needs no
// time to be older: by dates the later is the younger, by plain numbers the smaller. That it is the
// greater takes two files beside the held one, lest one that somebody touched turns the order
// round.
//
// `held_ns`: the held file's time of modification, known also where it isn't among them. It isn't
// named `followed`.
//
// nullopt: none now. bad_input, with names and way out: names and times disagree; the held file is
// gone and others are younger; or what comes next is compressed in a way that can't be read (.gz
// can).
Result<std::optional<SiblingFile>> file_after_held(const std::string& followed,
                                                   const std::vector<SiblingFile>& siblings,
                                                   std::int64_t held_ns);

}  // namespace weir
