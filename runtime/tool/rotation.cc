#include "tool/rotation.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weir {

namespace {

constexpr std::array<std::string_view, 9> kCompressed = {".gz",  ".bz2", ".xz",  ".zst", ".lz4",
                                                         ".lzo", ".Z",   ".zip", ".br"};
// More of them are a date or a time: those of a process id or a port aren't.
constexpr std::size_t kCountDigitsMax = 7;
constexpr std::string_view kDigits = "0123456789";

// Without the extension of a compressor.
std::string_view uncompressed_name(std::string_view name) {
  for (const std::string_view extension : kCompressed) {
    if (name.ends_with(extension)) {
      return name.substr(0, name.size() - extension.size());
    }
  }
  return name;
}

bool is_unreadable(std::string_view name) {
  return uncompressed_name(name) != name && !name.ends_with(".gz");
}

// What a rotation put into a name.
struct Mark {
  bool is_within = false;  // before the extension, not behind the name
  bool is_count = false;   // rather than a date or a time
  char separator = '.';

  bool is_hardly_another_log() const { return !is_within || !is_count; }
};

std::optional<Mark> mark_of(std::string_view text, bool is_within) {
  constexpr std::string_view kSeparators = ".-_@";
  constexpr std::string_view kOfTimes = "0123456789.-_:+TZ";
  if (text.size() < 2 || kSeparators.find(text[0]) == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view number = text.substr(1);
  if (kDigits.find(number.front()) == std::string_view::npos ||
      number.find_first_not_of(kOfTimes) != std::string_view::npos) {
    return std::nullopt;
  }
  const bool is_count = number.size() <= kCountDigitsMax &&
                        number.find_first_not_of(kDigits) == std::string_view::npos;
  return Mark{is_within, is_count, text[0]};
}

// nullopt: not a rotated name.
std::optional<Mark> find_mark(std::string_view followed, std::string_view name) {
  name = uncompressed_name(name);
  if (name.starts_with(followed)) {
    return mark_of(name.substr(followed.size()), false);
  }
  const std::size_t dot = followed.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() < followed.size() ||
      !name.starts_with(followed.substr(0, dot)) || !name.ends_with(followed.substr(dot))) {
    return std::nullopt;
  }
  return mark_of(name.substr(dot, name.size() - followed.size()), true);
}

bool is_of_log(const std::optional<Mark>& held, const Mark& mark) {
  if (!held || held->is_within != mark.is_within) {
    return !held && mark.is_hardly_another_log();
  }
  return mark.is_hardly_another_log() || (held->is_count && held->separator == mark.separator);
}

struct Rotated {
  SiblingFile file;
  Mark mark;
};

// Of one time the names decide: log.1 is the youngest as a rule, a date the older the smaller.
bool is_older(const Rotated& a, const Rotated& b) {
  if (a.file.modified_ns != b.file.modified_ns) {
    return a.file.modified_ns < b.file.modified_ns;
  }
  const auto key = [](const Rotated& one) {
    const std::string_view name = uncompressed_name(one.file.name);
    return std::pair(name.size(), name);
  };
  return a.mark.is_count && b.mark.is_count ? key(b) < key(a) : key(a) < key(b);
}

std::optional<SiblingFile> newest_of(const std::string& followed,
                                     const std::vector<SiblingFile>& siblings) {
  const auto newest = std::find_if(siblings.begin(), siblings.end(), [&](const auto& file) {
    return file.name == followed && file.bytes > 0 && !file.is_held;  // a link may be away
  });
  return newest != siblings.end() ? std::optional(*newest) : std::nullopt;
}

}  // namespace

bool is_rotated_name(std::string_view followed, std::string_view name) {
  return find_mark(followed, name).has_value();
}

std::int64_t compressed_since(std::int64_t ns) {
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  return ns - ns % kSecondNs;
}

bool is_being_compressed(std::string_view name, const std::vector<SiblingFile>& siblings) {
  const std::string_view plain = uncompressed_name(name);
  return plain != name && std::any_of(siblings.begin(), siblings.end(),
                                      [plain](const auto& file) { return file.name == plain; });
}

const SiblingFile* find_held(const std::string& followed,
                             const std::vector<SiblingFile>& siblings) {
  const SiblingFile* held = nullptr;
  for (const SiblingFile& file : siblings) {
    if (file.is_held && file.name == followed) {
      return &file;
    }
    if (file.is_held && (held == nullptr || is_rotated_name(followed, file.name))) {
      held = &file;
    }
  }
  return held;
}

Result<std::optional<SiblingFile>> file_after_held(const std::string& followed,
                                                   const std::vector<SiblingFile>& siblings,
                                                   std::int64_t held_ns) {
  const SiblingFile* held = find_held(followed, siblings);
  const std::int64_t since_ns = compressed_since(held_ns);
  const std::optional<Mark> held_mark =
      held != nullptr ? find_mark(followed, held->name) : std::nullopt;
  std::vector<Rotated> after;
  std::vector<Rotated> unreadable;
  bool is_held_unreadable = held != nullptr;
  for (const SiblingFile& file : siblings) {
    const std::optional<Mark> mark = find_mark(followed, file.name);
    if (!mark || file.is_held || file.is_past || file.bytes == 0 || !is_of_log(held_mark, *mark) ||
        is_being_compressed(file.name, siblings)) {
      continue;
    }
    if (is_unreadable(file.name)) {
      is_held_unreadable =
          is_held_unreadable || (file.modified_ns >= since_ns && file.modified_ns <= held_ns);
      if (file.modified_ns > held_ns) {
        unreadable.push_back({file, *mark});
      }
    } else if (uncompressed_name(file.name) == file.name || file.modified_ns >= since_ns) {
      after.push_back({file, *mark});
    }
  }
  // Where the held one is gone it is one of them: that of its time, or else the oldest.
  std::sort(unreadable.begin(), unreadable.end(), is_older);
  const bool is_first_held = held == nullptr && !is_held_unreadable && !unreadable.empty();
  after.insert(after.end(), unreadable.begin() + (is_first_held ? 1 : 0), unreadable.end());
  if (after.empty()) {
    return newest_of(followed, siblings);
  }
  std::sort(after.begin(), after.end(), is_older);
  if (is_unreadable(after.front().file.name)) {
    std::vector<std::string> names;
    for (const Rotated& one : after) {
      names.push_back(one.file.name);
    }
    return Status::stop(
        ExitCode::bad_input,
        fmt::format("behind what was read of {} lies what can't be decompressed: {}; send what of "
                    "them isn't in the topic by `weir produce FILE`, move them to another folder, "
                    "and the same command goes on",
                    followed, fmt::join(names, ", ")));
  }
  return std::optional(after.front().file);
}

}  // namespace weir
