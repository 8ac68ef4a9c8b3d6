#include "tool/checkpoint.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() { fs::create_directories(folder_); }

  void TearDown() override { fs::remove_all(folder_); }

  CheckpointFile checkpoint(const std::string& file) const {
    return {folder_ / "state", "topic", file};
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / ("checkpoint" + std::to_string(::getpid()));
};

TEST_F(CheckpointTest, WhatWasWrittenIsRead) {
  const CheckpointFile file = checkpoint("log");
  EXPECT_FALSE(file.is_there());
  EXPECT_FALSE(file.read());
  ASSERT_TRUE(file.write({"cluster/id", {{1, 2, 3, 4, 9}, 5, 6, 7, 8}}).is_ok());
  const auto read = file.read();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->topic_id, "cluster/id");
  const auto& [identity, offset, tail_bytes, tail_hash, modified_ns] = read->place;
  EXPECT_EQ(identity, (FileIdentity{1, 2, 3, 4, 9}));
  EXPECT_EQ((std::vector<std::uint64_t>{offset, tail_bytes, tail_hash}),
            (std::vector<std::uint64_t>{5, 6, 7}));
  EXPECT_EQ(modified_ns, 8);
  file.remove();
  EXPECT_FALSE(file.is_there());
}

TEST_F(CheckpointTest, OneThatIsCutShortIsThereAndNone) {
  const CheckpointFile file = checkpoint("log");
  ASSERT_TRUE(file.write({"cluster/id", {{1, 2, 3, 4, 9}, 5, 6, 7, 8}}).is_ok());
  for (auto size = fs::file_size(file.path()) - 1; size > 0; --size) {
    fs::resize_file(file.path(), size - 1);
    EXPECT_FALSE(file.read()) << size;
    EXPECT_TRUE(file.is_there());
  }
}

// Where the file wasn't there at the start, a relative path led to another checkpoint; and a link
// to that of the file that it led to at that time.
TEST_F(CheckpointTest, ThePathDecidesWhateverIsThere) {
  const std::string link = folder_ / "link";
  const fs::path before = checkpoint(link).path();
  for (const char* target : {"a", "b"}) {
    std::ofstream(folder_ / target) << target;
    fs::remove(link);
    fs::create_symlink(target, link);
    EXPECT_EQ(checkpoint(link).path(), before);
  }
  const fs::path here = fs::current_path();
  fs::current_path(folder_);
  EXPECT_EQ(checkpoint("link").path(), before);
  EXPECT_EQ(checkpoint("./x/../link").path(), before);
  fs::current_path(here);
  EXPECT_NE(checkpoint(folder_ / "a").path(), before);
}

}  // namespace
}  // namespace weir
