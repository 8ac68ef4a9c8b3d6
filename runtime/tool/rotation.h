// Which file of a rotated log comes after another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/status.h"

namespace weir {

struct SiblingFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t inode = 0;
  // The one that was read until now, whatever it is named by now; of several names, each.
  bool is_held = false;
  bool is_past = false;  // read before the held one, or older than what was to be read
};

// `name` is `followed` with a number, a date or a time behind it or before its extension, and no
// more than the ending of a compressor: log.1, log-20261129, a.2026-11-29.log, log.2.gz.
bool is_rotated_name(std::string_view followed, std::string_view name);

// The least time that what is as young as `ns` has once it is compressed: some keep only seconds.
std::int64_t compressed_since(std::int64_t ns);

// A compressed file beside the file that it is made of: not whole yet.
bool is_being_compressed(std::string_view name, const std::vector<SiblingFile>& siblings);

// Of several names that the held file has, as hard links are, the followed one, or else one that a
// rotation gave. nullptr: it is gone.
const SiblingFile* find_held(const std::string& followed, const std::vector<SiblingFile>& siblings);

// Of `siblings`, the files of the folder, the one to read behind the held one: the first to have
// been modified of those that were rotated and aren't past, or else `followed`. nullopt: none now.
// Empty files don't count.
//
// Names say no more than which files are the log's. That app-2.log is one of app.log is believed
// only where the held file is named so, too: it is another log's as a rule.
//
// A compressed one may have been made of what is past, and has to be as young as the held file,
// which was modified at `held_ns`. bad_input, with names and way out: it comes next and can't be
// read (.gz can). Where the held file is gone, the oldest of those may be it, and is left out.
Result<std::optional<SiblingFile>> file_after_held(const std::string& followed,
                                                   const std::vector<SiblingFile>& siblings,
                                                   std::int64_t held_ns);

}  // namespace weir
