#include "state/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;

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

TEST(FileLock, WhoHoldsItIsToldToAllWhoAskAndAskingLeavesNothingBehind) {
  const fs::path file = fs::path(testing::TempDir()) / fmt::format("asked-{}", ::getpid());
  EXPECT_EQ(FileLock::holder(file), std::nullopt);
  EXPECT_FALSE(fs::exists(file));
  std::ofstream(file) << "process 7 on x";
  const int other = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_SH), 0);
  EXPECT_EQ(FileLock::holder(file), std::nullopt) << "it was held by who asked at the same time";
  ::close(other);
  std::string left;
  std::getline(std::ifstream(file), left);
  EXPECT_EQ(left, "process 7 on x");
  {
    const Result<FileLock> lock = FileLock::acquire(file);
    const Result<FileLock> second = FileLock::acquire(file);
    EXPECT_EQ(FileLock::holder(file), second.status().message());
    if (::geteuid() == 0) {
      constexpr uid_t kNobody = 65534;
      ASSERT_EQ(::seteuid(kNobody), 0);
      const std::optional<std::string> told = FileLock::holder(file);
      ASSERT_EQ(::seteuid(0), 0);
      EXPECT_EQ(told, second.status().message()) << "to another user it was held by nobody";
    }
  }
  EXPECT_EQ(FileLock::holder(file), std::nullopt);
  fs::remove(file);
}

class BarredFileLock : public testing::Test {
 protected:
  void TearDown() override { fs::remove_all(folder_); }

  std::string said_of(const std::string& file) const {
    const Result<FileLock> lock = FileLock::acquire(folder_ / file);
    EXPECT_EQ(lock.is_ok() ? Remedy::retry : lock.status().remedy(), Remedy::stop);
    return lock.is_ok() ? "it is held" : lock.status().message();
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / fmt::format("barred-lock-{}", ::getpid());
};

TEST_F(BarredFileLock, NamesWhatIsInTheWayAndTheWayOut) {
  EXPECT_TRUE(FileLock::acquire(folder_ / "made" / "on the way").is_ok());
  std::ofstream(folder_ / "x") << "no folder";
  EXPECT_THAT(said_of("x/v1/0/lock"),
              HasSubstr(fmt::format(": {0} is a file; move it away and start again",
                                    (folder_ / "x").string())));
  EXPECT_THAT(said_of("made"), HasSubstr("made is a directory; move it away"));
}

// Root may do everything, so it is somebody else meanwhile.
TEST_F(BarredFileLock, NamesWhoseItIsWhereItIsSomebodyElses) {
  constexpr uid_t kNobody = 65534;
  fs::create_directories(folder_ / "x");
  std::ofstream(folder_ / "x" / "lock") << "another's";
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give files away";
  }
  fs::permissions(folder_ / "x", fs::perms::all);
  ASSERT_EQ(::seteuid(kNobody), 0);
  const std::string of_folder = said_of("y/v1/lock");
  const std::string of_file = said_of("x/lock");
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_THAT(of_folder, HasSubstr(fmt::format(
                             "{0} belongs to root, and this runs as nobody: make {0}/y, give "
                             "it to nobody and start again, or set `state:`",
                             folder_.string())));
  EXPECT_THAT(of_file, HasSubstr("x/lock belongs to root, and this runs as nobody; chown it"));
}

}  // namespace
}  // namespace weir
