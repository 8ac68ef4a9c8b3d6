#include "state/file_lock.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;

TEST(FileLock, IsHeldByWhoeverIsNamedAndNobodyBeforeThem) {
  const fs::path file = fs::path(testing::TempDir()) / fmt::format("lock-{}", ::getpid());
  std::ofstream(file) << std::string(200, 'x');  // of a holder with a longer name
  {
    const Result<FileLock> lock = FileLock::acquire(file);
    ASSERT_TRUE(lock.is_ok()) << lock.status().message();
    const Result<FileLock> second = FileLock::acquire(file);
    EXPECT_EQ(second.status().remedy(), Remedy::retry);
    EXPECT_THAT(second.status().message(), EndsWith(" is held by this process already"));
  }
  EXPECT_TRUE(FileLock::acquire(file).is_ok());
  fs::remove(file);
}

}  // namespace
}  // namespace weir
