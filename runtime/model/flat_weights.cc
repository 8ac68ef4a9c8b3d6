#include "model/flat_weights.h"

#define XXH_INLINE_ALL
#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <xxhash.h>

namespace weir {
namespace {

constexpr std::string_view kMagic = "WEIRFLAT";
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::size_t kHeaderBytes = 128;
constexpr std::size_t kDigestOffset = 16;
constexpr std::size_t kDigestBytes = 16;
constexpr std::size_t kDigestedOffset = kDigestOffset + kDigestBytes;
constexpr std::size_t kVersionOffset = 68;
constexpr std::uint32_t kDimensionMin = 1u << 10;
constexpr std::uint32_t kDimensionMax = 1u << 22;
constexpr std::uint32_t kConfidenceMax = 10000;
constexpr std::uintmax_t kFileBytesMax = kHeaderBytes + 4ull * kDimensionMax;

Status refused(const std::string& path, std::string_view what) {
  return Status::stop(
      ExitCode::config,
      fmt::format("model weights {}: {}; copy the file again, or train again", path, what));
}

template <class Integer>
Integer little_endian(std::string_view content, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(content[offset + i])} << (8 * i);
  }
  return static_cast<Integer>(value);
}

std::string hexadecimal(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return out;
}

std::string digest_of(std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  std::string out(kDigestBytes, '\0');
  std::memcpy(out.data(), canonical.digest, kDigestBytes);
  return out;
}

}  // namespace

Result<FlatWeights> load_flat_weights(const std::string& path) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) {
    const std::string why = error.message();
    return Status::stop(
        ExitCode::config,
        fmt::format("model weights {}: cannot be read: {}; a path that isn't absolute is looked "
                    "for where the program was started, which was {}",
                    path, why, std::filesystem::current_path(error).string()));
  }
  if (bytes > kFileBytesMax) {
    return refused(
        path, fmt::format("{} bytes long; the largest there can be is {}", bytes, kFileBytesMax));
  }
  std::ifstream file(path, std::ios::binary);
  std::string content(static_cast<std::size_t>(bytes), '\0');
  if (!file.read(content.data(), static_cast<std::streamsize>(content.size()))) {
    return refused(path, "cannot be read whole");
  }
  return parse_flat_weights(content, path);
}

Result<FlatWeights> parse_flat_weights(std::string_view content, const std::string& path) {
  if (content.size() < kHeaderBytes) {
    return refused(
        path, fmt::format("{} bytes long; its header alone has {}", content.size(), kHeaderBytes));
  }
  if (!content.starts_with(kMagic)) {
    return refused(path, fmt::format("starts with bytes {}, not with \"{}\": not a weights file",
                                     hexadecimal(content.substr(0, kMagic.size())), kMagic));
  }
  if (const auto found = little_endian<std::uint32_t>(content, 8); found != kFormatVersion) {
    return refused(path,
                   fmt::format("format version {}; this program reads {}", found, kFormatVersion));
  }
  if (const auto found = little_endian<std::uint32_t>(content, 12); found != kHeaderBytes) {
    return refused(path, fmt::format("header of {} bytes; format version {} has {}", found,
                                     kFormatVersion, kHeaderBytes));
  }
  if (const auto found = little_endian<std::uint64_t>(content, 32); found != content.size()) {
    return refused(path, fmt::format("{} bytes long; its header says {}", content.size(), found));
  }
  const std::string_view digest = content.substr(kDigestOffset, kDigestBytes);
  if (const std::string actual = digest_of(content.substr(kDigestedOffset)); digest != actual) {
    return refused(path, fmt::format("damaged: its header says digest {}, its contents have {}",
                                     hexadecimal(digest), hexadecimal(actual)));
  }

  FlatWeights out;
  out.digest = hexadecimal(digest);
  out.features.hash_seed = little_endian<std::uint64_t>(content, 40);
  out.features.dimension = little_endian<std::uint32_t>(content, 48);
  out.features.words_max = little_endian<std::uint8_t>(content, 52);
  out.features.chars_min = little_endian<std::uint8_t>(content, 53);
  out.features.chars_max = little_endian<std::uint8_t>(content, 54);
  out.features.word_weight = little_endian<std::uint8_t>(content, 55);
  out.bias = little_endian<std::int32_t>(content, 56);
  const FeatureSettings& f = out.features;
  if (!std::has_single_bit(f.dimension) || f.dimension < kDimensionMin ||
      f.dimension > kDimensionMax) {
    return refused(path, fmt::format("dimension {}; a power of two from {} to {} is needed",
                                     f.dimension, kDimensionMin, kDimensionMax));
  }
  if (content.size() != kHeaderBytes + 4ull * f.dimension) {
    return refused(path, fmt::format("{} bytes long; dimension {} needs {}", content.size(),
                                     f.dimension, kHeaderBytes + 4ull * f.dimension));
  }
  if (f.words_max > 4) {
    return refused(path, fmt::format("words_max {}; 0 to 4 is allowed", f.words_max));
  }
  if (f.chars_min < 1 || f.chars_min > f.chars_max || f.chars_max > 8) {
    return refused(path, fmt::format("character n-grams from {} to {}; 1 to 8 is allowed",
                                     f.chars_min, f.chars_max));
  }
  if (f.word_weight < 1 || f.word_weight > 16) {
    return refused(path, fmt::format("word_weight {}; 1 to 16 is allowed", f.word_weight));
  }
  const auto threshold = little_endian<std::uint32_t>(content, 60);
  if (threshold > kConfidenceMax) {
    return refused(path,
                   fmt::format("threshold {}; 0 to {} is allowed", threshold, kConfidenceMax));
  }
  out.threshold = static_cast<std::uint16_t>(threshold);
  if (const auto found = little_endian<std::uint32_t>(content, 64); found != kWeightFractionBits) {
    return refused(path, fmt::format("weights with {} fixed-point bits; this program reads {}",
                                     found, kWeightFractionBits));
  }
  const std::string_view field = content.substr(kVersionOffset, kHeaderBytes - kVersionOffset);
  const std::string_view version = field.substr(0, field.find('\0'));
  if (version.empty() ||
      !std::ranges::all_of(version, [](char c) { return c > ' ' && c < 0x7F; }) ||
      field.find_first_not_of('\0', version.size()) != std::string_view::npos) {
    return refused(path, fmt::format("version field {}; printable ASCII padded with NULs is needed",
                                     hexadecimal(field)));
  }
  out.version = version;
  out.weights.reserve(f.dimension);
  for (std::size_t i = 0; i < f.dimension; ++i) {
    out.weights.push_back(little_endian<std::int32_t>(content, kHeaderBytes + 4 * i));
  }
  return out;
}

}  // namespace weir
