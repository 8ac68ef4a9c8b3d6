#include "model/flat_weights.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#define XXH_INLINE_ALL
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

namespace weir {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint32_t kDimension = 1024;

void put(std::string& content, std::size_t offset, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    content[offset + i] = static_cast<char>((value >> (8 * i)) & 0xFF);
  }
}

void seal(std::string& content) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(content.data() + 32, content.size() - 32));
  std::memcpy(content.data() + 16, canonical.digest, 16);
}

std::string sound_file() {
  std::string content(128 + 4 * kDimension, '\0');
  content.replace(0, 8, "WEIRFLAT");
  put(content, 8, 1, 4);
  put(content, 12, 128, 4);
  put(content, 32, content.size(), 8);
  put(content, 40, 0x0123456789ABCDEF, 8);
  put(content, 48, kDimension, 4);
  put(content, 52, 2, 1);
  put(content, 53, 3, 1);
  put(content, 54, 5, 1);
  put(content, 55, 4, 1);
  put(content, 56, static_cast<std::uint32_t>(-77), 4);
  put(content, 60, 5000, 4);
  put(content, 64, 24, 4);
  content.replace(68, 6, "test-1");
  put(content, 128, static_cast<std::uint32_t>(-5), 4);
  put(content, content.size() - 4, 6, 4);
  seal(content);
  return content;
}

// The message with which a file is refused that has `value` at `offset`, its digest being right.
std::string refusal(std::size_t offset, std::uint64_t value, std::size_t bytes) {
  std::string content = sound_file();
  put(content, offset, value, bytes);
  seal(content);
  const auto parsed = parse_flat_weights(content, "x.weights");
  if (parsed.is_ok()) {
    return "accepted";
  }
  EXPECT_EQ(parsed.status().remedy(), Remedy::stop);
  EXPECT_EQ(parsed.status().exit_code(), ExitCode::config);
  EXPECT_THAT(parsed.status().message(), HasSubstr("model weights x.weights: "));
  return parsed.status().message();
}

TEST(FlatWeights, ReadEveryFieldOfASoundFile) {
  const auto parsed = parse_flat_weights(sound_file(), "x.weights");
  ASSERT_TRUE(parsed.is_ok()) << parsed.status().message();
  const FlatWeights& weights = parsed.value();
  EXPECT_EQ(weights.features.hash_seed, 0x0123456789ABCDEFu);
  EXPECT_EQ(weights.features.dimension, kDimension);
  EXPECT_EQ(weights.features.words_max, 2);
  EXPECT_EQ(weights.features.chars_min, 3);
  EXPECT_EQ(weights.features.chars_max, 5);
  EXPECT_EQ(weights.features.word_weight, 4);
  EXPECT_EQ(weights.bias, -77);
  EXPECT_EQ(weights.threshold, 5000);
  EXPECT_EQ(weights.version, "test-1");
  EXPECT_EQ(weights.digest.size(), 32u);
  ASSERT_EQ(weights.weights.size(), kDimension);
  EXPECT_EQ(weights.weights.front(), -5);
  EXPECT_EQ(weights.weights.back(), 6);
}

TEST(FlatWeights, RefuseAWrongMagic) {
  EXPECT_THAT(refusal(0, 'X', 1), HasSubstr("not with \"WEIRFLAT\": not a weights file"));
}

TEST(FlatWeights, RefuseAnotherFormatVersion) {
  EXPECT_THAT(refusal(8, 2, 4), HasSubstr("format version 2; this program reads 1"));
}

TEST(FlatWeights, RefuseAnotherHeaderLength) {
  EXPECT_THAT(refusal(12, 64, 4), HasSubstr("header of 64 bytes; format version 1 has 128"));
}

TEST(FlatWeights, RefuseAWrongDigest) {
  std::string content = sound_file();
  content[20] = static_cast<char>(content[20] ^ 1);
  const auto parsed = parse_flat_weights(content, "x.weights");
  ASSERT_FALSE(parsed.is_ok());
  EXPECT_THAT(parsed.status().message(), HasSubstr("damaged: its header says digest "));
}

TEST(FlatWeights, RefuseAFileLengthThatIsNotTheFiles) {
  EXPECT_THAT(refusal(32, 5, 8), HasSubstr("4224 bytes long; its header says 5"));
}

TEST(FlatWeights, RefuseADimensionThatIsNoPowerOfTwoOrOutOfRange) {
  EXPECT_THAT(refusal(48, 1000, 4), HasSubstr("dimension 1000; a power of two"));
  EXPECT_THAT(refusal(48, 0, 4), HasSubstr("dimension 0; "));
  EXPECT_THAT(refusal(48, 512, 4), HasSubstr("dimension 512; "));
  EXPECT_THAT(refusal(48, 1u << 31, 4), HasSubstr("dimension 2147483648; "));
}

TEST(FlatWeights, RefuseADimensionThatIsNotTheFiles) {
  EXPECT_THAT(refusal(48, 2048, 4), HasSubstr("4224 bytes long; dimension 2048 needs 8320"));
}

TEST(FlatWeights, RefuseFeatureSettingsOutOfRange) {
  EXPECT_THAT(refusal(52, 5, 1), HasSubstr("words_max 5; 0 to 4 is allowed"));
  EXPECT_THAT(refusal(53, 0, 1), HasSubstr("character n-grams from 0 to 5"));
  EXPECT_THAT(refusal(53, 6, 1), HasSubstr("character n-grams from 6 to 5"));
  EXPECT_THAT(refusal(54, 9, 1), HasSubstr("character n-grams from 3 to 9"));
  EXPECT_THAT(refusal(55, 0, 1), HasSubstr("word_weight 0; 1 to 16 is allowed"));
  EXPECT_THAT(refusal(55, 17, 1), HasSubstr("word_weight 17; "));
}

TEST(FlatWeights, RefuseAThresholdAboveOne) {
  EXPECT_THAT(refusal(60, 10001, 4), HasSubstr("threshold 10001; 0 to 10000 is allowed"));
}

TEST(FlatWeights, RefuseOtherFixedPointBits) {
  EXPECT_THAT(refusal(64, 16, 4), HasSubstr("weights with 16 fixed-point bits"));
}

TEST(FlatWeights, RefuseAVersionThatIsEmptyOrNotPlain) {
  EXPECT_THAT(refusal(68, 0, 8), HasSubstr("version field 00"));
  EXPECT_THAT(refusal(69, ' ', 1), HasSubstr("version field 7420"));
  EXPECT_THAT(refusal(69, 0xFF, 1), HasSubstr("version field 74ff"));
  EXPECT_THAT(refusal(70, 0, 1), HasSubstr("version field 746500")) << "text after the NUL";
}

TEST(FlatWeights, NoticeEveryFlippedBit) {
  const std::string sound = sound_file();
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string content = sound;
    content[i] = static_cast<char>(content[i] ^ (1 << (i % 8)));
    EXPECT_FALSE(parse_flat_weights(content, "x.weights").is_ok()) << "byte " << i;
  }
}

TEST(FlatWeights, NoticeEveryTruncationAndWhatIsAppended) {
  const std::string sound = sound_file();
  for (std::size_t bytes = 0; bytes < sound.size(); ++bytes) {
    EXPECT_FALSE(parse_flat_weights(sound.substr(0, bytes), "x.weights").is_ok()) << bytes;
  }
  EXPECT_FALSE(parse_flat_weights(sound + "x", "x.weights").is_ok());
}

TEST(FlatWeights, SayWhichFileCannotBeRead) {
  const auto missing = load_flat_weights("no/such.weights");
  ASSERT_FALSE(missing.is_ok());
  EXPECT_THAT(missing.status().message(),
              AllOf(HasSubstr("no/such.weights: cannot be read: No such file"),
                    HasSubstr(std::filesystem::current_path().string())));
  EXPECT_FALSE(load_flat_weights(".").is_ok()) << "a directory";
}

TEST(FlatWeights, RefuseAFileTooLargeToBeOneWithoutReadingIt) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "large.weights";
  std::ofstream(path) << "WEIRFLAT";
  std::filesystem::resize_file(path, std::uintmax_t{1} << 40);  // sparse
  const auto parsed = load_flat_weights(path.string());
  std::filesystem::remove(path);
  ASSERT_FALSE(parsed.is_ok());
  EXPECT_THAT(parsed.status().message(),
              HasSubstr("1099511627776 bytes long; the largest there can be is 16777344"));
}

TEST(FlatWeights, SayWhichFileIsDamaged) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "short.weights";
  std::ofstream(path) << "WEIR";
  const auto parsed = load_flat_weights(path.string());
  ASSERT_FALSE(parsed.is_ok());
  EXPECT_THAT(parsed.status().message(),
              HasSubstr("short.weights: 4 bytes long; its header alone has 128"));
}

}  // namespace
}  // namespace weir
