#include "tool/rotation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weir {

namespace {

constexpr std::array<std::string_view, 9> kCompressed = {".gz",  ".bz2", ".xz",  ".zst", ".lz4",
                                                         ".lzo", ".Z",   ".zip", ".br"};
// More of them are a date or a time.
constexpr std::size_t kNumberDigitsMax = 4;
// So many others prove numbers to be counted upwards.
constexpr std::size_t kUpwardsMin = 2;
// A date begins with its year, or with all of it in one.
constexpr std::uint64_t kYearMin = 1000;
constexpr std::string_view kBehind = "behind";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Without the extension of a compressor.
std::string_view uncompressed_name(std::string_view name) {
  for (const std::string_view extension : kCompressed) {
    if (name.ends_with(extension)) {
      return name.substr(0, name.size() - extension.size());
    }
  }
  return name;
}

// What a rotation put into a name.
struct Mark {
  std::string manner;  // where, and what stands between its numbers, each one as #
  std::vector<std::uint64_t> numbers;
  bool is_count = false;  // rather than a date or a time
};

// `text`: a separator, then numbers and what stands between those of dates.
std::optional<Mark> mark_of(std::string_view text, std::string_view place) {
  constexpr std::string_view kSeparators = ".-_@";
  constexpr std::string_view kBetween = ".-_:T";
  if (text.size() < 2 || kSeparators.find(text[0]) == std::string_view::npos ||
      !is_digit(text.back())) {
    return std::nullopt;
  }
  Mark mark{std::string(place) + text[0], {}, false};
  std::size_t digits = 0;
  for (std::size_t at = 1; at < text.size(); at += digits) {
    if (digits > 0) {
      if (kBetween.find(text[at]) == std::string_view::npos) {
        return std::nullopt;
      }
      mark.manner += text[at++];
    }
    std::uint64_t number = 0;
    const char* begin = text.data() + at;
    const auto [end, failed] = std::from_chars(begin, text.data() + text.size(), number);
    if (failed != std::errc()) {
      return std::nullopt;
    }
    digits = static_cast<std::size_t>(end - begin);
    mark.manner += '#';
    mark.numbers.push_back(number);
  }
  mark.is_count = mark.numbers.size() == 1 && digits <= kNumberDigitsMax;
  mark.manner += mark.is_count ? "" : " date";
  return mark;
}

// nullopt: not a rotated name.
std::optional<Mark> find_mark(std::string_view followed, std::string_view name) {
  name = uncompressed_name(name);
  if (name.starts_with(followed)) {
    return mark_of(name.substr(followed.size()), kBehind);
  }
  const std::size_t dot = followed.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() < followed.size() ||
      !name.starts_with(followed.substr(0, dot)) || !name.ends_with(followed.substr(dot))) {
    return std::nullopt;
  }
  return mark_of(name.substr(dot, name.size() - followed.size()), "within");
}

struct Rotated {
  SiblingFile file;
  Mark mark;
};

// All that may come before or after the held one.
std::vector<Rotated> rotated_files(const std::string& followed,
                                   const std::vector<SiblingFile>& siblings) {
  std::vector<Rotated> rotated;
  for (const SiblingFile& file : siblings) {
    const std::optional<Mark> mark = find_mark(followed, file.name);
    // While it is being compressed, it is there twice.
    const std::string_view plain = uncompressed_name(file.name);
    const bool is_copy =
        plain != file.name && std::any_of(siblings.begin(), siblings.end(),
                                          [plain](const auto& f) { return f.name == plain; });
    if (mark && !file.is_held && !is_copy && file.bytes > 0) {
      rotated.push_back({file, *mark});
    }
  }
  return rotated;
}

Status unreadable(const std::string& followed, std::string_view why,
                  const std::vector<Rotated>& files) {
  std::vector<std::string> names;
  for (const Rotated& one : files) {
    names.push_back(one.file.name);
  }
  return Status::stop(ExitCode::bad_input,
                      fmt::format("behind what was read of {} {}: {}; {}", followed, why,
                                  fmt::join(names, ", "), kRotationWayOut));
}

bool is_older(const Rotated& a, const Rotated& b) {
  return a.file.modified_ns < b.file.modified_ns;
}

// Those behind `held`, if the later ones have the smaller numbers, or else the greater; nullopt:
// the times contradict that.
std::optional<std::vector<Rotated>> after_held(std::vector<Rotated> files, const Mark& held,
                                               std::int64_t held_ns, bool is_downwards) {
  std::sort(files.begin(), files.end(), [is_downwards](const Rotated& a, const Rotated& b) {
    return is_downwards ? a.mark.numbers > b.mark.numbers : a.mark.numbers < b.mark.numbers;
  });
  const auto first = std::find_if(files.begin(), files.end(), [&](const Rotated& one) {
    return is_downwards ? one.mark.numbers < held.numbers : one.mark.numbers > held.numbers;
  });
  // Some compressors keep no times; a year's name does.
  const bool is_by_year = !held.is_count && held.numbers.front() >= kYearMin;
  const auto is_later = [&](const Rotated& one) {
    return one.file.modified_ns > held_ns && !one.file.was_read && !is_by_year;
  };
  const auto is_earlier = [&](const Rotated& one) {
    return one.file.modified_ns < held_ns && !one.file.was_read;
  };
  if (std::any_of(files.begin(), first, is_later) || std::any_of(first, files.end(), is_earlier) ||
      !std::is_sorted(first, files.end(), is_older)) {
    return std::nullopt;
  }
  const bool is_to_be_proven = held.is_count && !is_downwards && !files.empty();
  if (is_to_be_proven &&
      (files.size() < kUpwardsMin || !std::is_sorted(files.begin(), first, is_older))) {
    return std::nullopt;
  }
  std::vector<Rotated> after(first, files.end());
  std::erase_if(after, [](const Rotated& one) { return one.file.was_read; });
  return after;
}

std::optional<SiblingFile> newest_of(const std::string& followed,
                                     const std::vector<SiblingFile>& siblings) {
  const auto newest = std::find_if(siblings.begin(), siblings.end(), [&](const auto& file) {
    return file.name == followed && file.bytes > 0;
  });
  return newest != siblings.end() ? std::optional(*newest) : std::nullopt;
}

}  // namespace

bool is_rotated_name(std::string_view followed, std::string_view name) {
  return find_mark(followed, name).has_value();
}

bool is_hardly_another_log(std::string_view followed, std::string_view name) {
  const std::optional<Mark> mark = find_mark(followed, name);
  return mark && (mark->manner.starts_with(kBehind) || !mark->is_count);
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
  std::vector<Rotated> files = rotated_files(followed, siblings);
  const SiblingFile* held = find_held(followed, siblings);
  if (held == nullptr) {
    std::erase_if(files, [&](const Rotated& one) {
      return one.file.modified_ns <= held_ns || one.file.was_read ||
             !is_hardly_another_log(followed, one.file.name);
    });
    if (!files.empty()) {
      return unreadable(followed, "the order isn't clear, as the file that was read is gone",
                        files);
    }
    return newest_of(followed, siblings);
  }
  const std::optional<Mark> mark = find_mark(followed, held->name);
  if (!mark) {
    return newest_of(followed, siblings);
  }
  std::erase_if(files, [&](const Rotated& one) { return one.mark.manner != mark->manner; });
  std::optional<std::vector<Rotated>> after;
  if (mark->is_count) {  // log.1 is the youngest as a rule
    after = after_held(files, *mark, held_ns, true);
  }
  if (!after) {
    after = after_held(files, *mark, held_ns, false);
  }
  if (!after) {
    return unreadable(followed, "the order isn't clear, as times and names disagree", files);
  }
  if (after->empty()) {
    return newest_of(followed, siblings);
  }
  const std::string& name = after->front().file.name;
  if (uncompressed_name(name) != name && !name.ends_with(".gz")) {
    return unreadable(followed, "lies what can't be decompressed", *after);
  }
  return std::optional(after->front().file);
}

}  // namespace weir
