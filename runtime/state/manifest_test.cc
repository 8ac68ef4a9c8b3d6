#include "state/manifest.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

namespace weir {
namespace {

using ::testing::HasSubstr;

const StoreIdentity kIdentity{.cluster_id = "kraft-1",
                              .topic = "comments.v1",
                              .topic_id = "Zm9vYmFy",
                              .partition = 3,
                              .partitions = 12,
                              .group = "spam.v1",
                              .window_ms = 86'400'000,
                              .window_buckets = 24,
                              .key_rule = "fields:a\\b,c\nd: e"};

TEST(Manifest, SaysWhatWasWritten) {
  const Result<StoreIdentity> read = decode_manifest(encode_manifest(kIdentity), "here");
  ASSERT_TRUE(read.is_ok()) << read.status().message();
  EXPECT_TRUE(check_identity(read.value(), kIdentity, "here").is_ok());
  EXPECT_EQ(read.value().key_rule, kIdentity.key_rule);
}

TEST(Manifest, IsAFormatThatStoresOnDiskHave) {
  EXPECT_EQ(encode_manifest(kIdentity),
            "weir-store: 1\n"
            "cluster_id: kraft-1\n"
            "topic: comments.v1\n"
            "topic_id: Zm9vYmFy\n"
            "partition: 3\n"
            "partitions: 12\n"
            "group: spam.v1\n"
            "window_ms: 86400000\n"
            "window_buckets: 24\n"
            "key_rule: fields:a\\\\b,c\\nd: e\n"
            "checksum: e9e87f263142fd0b\n");
}

TEST(Manifest, ADamagedByteIsNeverBelieved) {
  const std::string whole = encode_manifest(kIdentity);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int other = 0; other < 256; ++other) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(other);
      if (damaged == whole) {
        continue;
      }
      const Result<StoreIdentity> read = decode_manifest(damaged, "here");
      ASSERT_FALSE(read.is_ok()) << at << " " << other;
      ASSERT_EQ(read.status().remedy(), Remedy::restore) << at << " " << other;
    }
  }
}

TEST(Manifest, CutShortOrLengthenedIsNeverBelieved) {
  const std::string whole = encode_manifest(kIdentity);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const Result<StoreIdentity> read = decode_manifest(whole.substr(0, bytes), "here");
    ASSERT_FALSE(read.is_ok()) << bytes;
    ASSERT_EQ(read.status().remedy(), Remedy::restore) << bytes;
  }
  for (const std::string& more : {std::string("\n"), std::string(1, '\0'), whole}) {
    EXPECT_FALSE(decode_manifest(whole + more, "here").is_ok());
  }
}

TEST(Manifest, AnotherFormatVersionIsForAPersonToDecide) {
  std::string text = encode_manifest(kIdentity);
  text = "weir-store: 2\nwhatever: it holds\n";
  text += fmt::format("checksum: {:016x}\n", XXH3_64bits(text.data(), text.size()));
  const Result<StoreIdentity> read = decode_manifest(text, "/state/t-0");
  ASSERT_FALSE(read.is_ok());
  EXPECT_EQ(read.status().remedy(), Remedy::stop);
  EXPECT_EQ(read.status().exit_code(), ExitCode::config);
  EXPECT_THAT(read.status().message(), HasSubstr("/state/t-0"));
  EXPECT_THAT(read.status().message(), HasSubstr("format version is '2', this one's is '1'"));
}

class ManifestFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "weir-manifest-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }

  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

TEST_F(ManifestFileTest, IsReadAsItWasWritten) {
  ASSERT_TRUE(write_manifest(directory_ / "manifest", kIdentity).is_ok());
  const Result<StoreIdentity> read = read_manifest(directory_ / "manifest");
  ASSERT_TRUE(read.is_ok()) << read.status().message();
  EXPECT_TRUE(check_identity(read.value(), kIdentity, "here").is_ok());
}

TEST_F(ManifestFileTest, ReplacesWhatACrashLeftHalfWritten) {
  std::ofstream(directory_ / "manifest.new") << encode_manifest(kIdentity) << "and more";
  ASSERT_TRUE(write_manifest(directory_ / "manifest", kIdentity).is_ok());
  EXPECT_TRUE(read_manifest(directory_ / "manifest").is_ok());
  EXPECT_FALSE(std::filesystem::exists(directory_ / "manifest.new"));
}

TEST_F(ManifestFileTest, NoFileMeansToRestore) {
  const Result<StoreIdentity> read = read_manifest(directory_ / "manifest");
  ASSERT_FALSE(read.is_ok());
  EXPECT_EQ(read.status().remedy(), Remedy::restore);
}

TEST_F(ManifestFileTest, AFileThatCantBeReadIsTheDisksFault) {
  std::filesystem::create_directory(directory_ / "manifest");
  const Result<StoreIdentity> read = read_manifest(directory_ / "manifest");
  ASSERT_FALSE(read.is_ok());
  EXPECT_EQ(read.status().remedy(), Remedy::stop);
  EXPECT_EQ(read.status().exit_code(), ExitCode::disk);
}

}  // namespace
}  // namespace weir
