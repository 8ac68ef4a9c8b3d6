#include "loop/death_ledger.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "testing/small_disk.h"

namespace weir {
namespace {

class DeathLedgerTest : public ::testing::Test {
 protected:
  // Opens the ledger as the next life of the process does.
  void next_life() {
    ledger_.reset();
    auto opened = DeathLedger::open(path_);
    ASSERT_TRUE(opened.is_ok()) << opened.status().message();
    ledger_ = std::move(opened).value();
  }

  static RawRecord record(std::int64_t offset, std::int32_t partition = 0) {
    RawRecord raw;
    raw.where = {InputIndex(0), Partition(partition)};
    raw.offset = Offset(offset);
    return raw;
  }

  static Origin origin(std::int64_t offset) {
    return {{InputIndex(0), Partition(0)}, Offset(offset)};
  }

  // A life that ends as `death` has it, while `records` are with foreign code.
  void die_on(
      const std::vector<RawRecord>& records, void (*death)() = [] { std::abort(); }) {
    const auto has_died = [](int status) { return status != 0; };
    EXPECT_EXIT((ledger_->begin(records), death()), has_died, "");
    next_life();
  }

  std::string path_ =
      (std::filesystem::temp_directory_path() /
       ("weir-ledger-" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "-" +
        std::to_string(::getpid())))
          .string();
  std::unique_ptr<DeathLedger> ledger_;

  void SetUp() override { next_life(); }

  void TearDown() override { std::filesystem::remove(path_); }
};

TEST_F(DeathLedgerTest, ADeathAmongManyMakesThemSuspect) {
  die_on({record(5), record(6), record(7)});
  EXPECT_TRUE(ledger_->has_suspect_among(std::vector{record(6)}));
  EXPECT_FALSE(ledger_->has_suspect_among(std::vector{record(8), record(6, 1)}));
  EXPECT_EQ(ledger_->deaths(origin(6)), 1);
}

TEST_F(DeathLedgerTest, ThreeDeathsNameTheRecord) {
  die_on({record(5), record(6), record(7)});
  die_on({record(6)});
  EXPECT_EQ(ledger_->deaths(origin(6)), 2);
  die_on({record(6)});
  EXPECT_EQ(ledger_->deaths(origin(6)), 3);
  EXPECT_EQ(ledger_->deaths(origin(5)), 1);
}

TEST_F(DeathLedgerTest, ARangeThatDiesOftenBlamesNoneOfItsRecords) {
  die_on({record(5), record(6)});
  die_on({record(5), record(6)});
  die_on({record(5), record(6)});
  EXPECT_EQ(ledger_->deaths(origin(5)), 1);
}

TEST_F(DeathLedgerTest, TellsWhetherTheKeyWasKnownAtEveryDeath) {
  const auto die_in_process = [this](const std::vector<RawRecord>& records) {
    EXPECT_EXIT((ledger_->begin(records), ledger_->reach_process(), std::abort()),
                ::testing::KilledBySignal(SIGABRT), "");
    next_life();
  };
  die_in_process({record(5), record(6)});
  die_in_process({record(5)});
  EXPECT_EQ(ledger_->deaths(origin(5)), 2);
  EXPECT_TRUE(ledger_->died_in_process_only(origin(5)));
  die_on({record(5)});
  EXPECT_EQ(ledger_->deaths(origin(5)), 3);
  EXPECT_FALSE(ledger_->died_in_process_only(origin(5)));

  die_on({record(8), record(9)});
  die_in_process({record(8)});
  EXPECT_FALSE(ledger_->died_in_process_only(origin(8)));
  EXPECT_FALSE(ledger_->died_in_process_only(origin(7)));
}

TEST_F(DeathLedgerTest, ADeathOutsideForeignCodeBlamesNobody) {
  ledger_->begin(std::vector{record(5)});
  ledger_->end();
  next_life();
  EXPECT_EQ(ledger_->deaths(origin(5)), 0);
}

// Seven kills by an operator at the worst moment are no reason to set a good record aside.
TEST_F(DeathLedgerTest, AKillFromOutsideBlamesNobody) {
  for (int i = 0; i < 7; ++i) {
    die_on({record(5)}, [] { std::raise(SIGKILL); });
  }
  die_on({record(5)}, [] {
    const pid_t killed = ::getpid();
    if (::fork() == 0) {
      ::kill(killed, SIGABRT);  // as a watchdog does
      ::_exit(0);
    }
    ::pause();
  });
  EXPECT_FALSE(ledger_->has_suspect_among(std::vector{record(5)}));
}

TEST_F(DeathLedgerTest, ADeathOnAnotherThreadBlamesNobody) {
  die_on({record(5)}, [] { std::thread([] { std::abort(); }).join(); });
  EXPECT_FALSE(ledger_->has_suspect_among(std::vector{record(5)}));
}

int descend(int levels) {
  volatile char frame[1024];
  frame[0] = 1;
  return levels == 0 ? 0 : descend(levels - 1) + frame[0];
}

TEST_F(DeathLedgerTest, AFaultAndAnOverflownStackBlameTheirRecord) {
  die_on({record(5)}, [] {
    void* page = ::mmap(nullptr, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *static_cast<volatile char*>(page) = 1;
  });
  EXPECT_EQ(ledger_->deaths(origin(5)), 1);
  die_on({record(5)}, [] { std::exit(descend(1 << 30) > 0 ? 0 : 1); });
  EXPECT_EQ(ledger_->deaths(origin(5)), 2);
}

TEST_F(DeathLedgerTest, AnExitBlamesItsRecordAndIsNoSuccess) {
  die_on({record(5)}, [] { std::exit(0); });
  EXPECT_EQ(ledger_->deaths(origin(5)), 1);
}

TEST_F(DeathLedgerTest, AnExitOutsideForeignCodeIsOne) {
  ledger_->begin(std::vector{record(5)});
  EXPECT_EXIT((ledger_->end(), std::exit(3)), ::testing::ExitedWithCode(3), "");
  next_life();
  EXPECT_EQ(ledger_->deaths(origin(5)), 0);
}

TEST_F(DeathLedgerTest, ARecordThatDiesAloneFindsAPlaceAmongManySuspects) {
  std::vector<RawRecord> runs;
  for (std::int32_t partition = 0; partition < 100; ++partition) {
    runs.push_back(record(5, partition));
    runs.push_back(record(6, partition));
  }
  die_on(runs);
  die_on({record(5, 99)});
  die_on({record(5, 99)});
  EXPECT_EQ(ledger_->deaths({{InputIndex(0), Partition(99)}, Offset(5)}), 2);
}

TEST_F(DeathLedgerTest, CommittedRecordsAreForgotten) {
  die_on({record(5), record(6)});
  ledger_->forget_below({InputIndex(0), Partition(0)}, NextOffset(6));
  EXPECT_EQ(ledger_->deaths(origin(6)), 1);
  ledger_->forget_below({InputIndex(0), Partition(0)}, NextOffset(7));
  EXPECT_EQ(ledger_->deaths(origin(6)), 0);
}

TEST_F(DeathLedgerTest, ADamagedFileIsBegunAnew) {
  die_on({record(5)});
  ledger_.reset();
  std::ofstream(path_, std::ios::binary) << std::string(8192, '\xff');
  next_life();
  EXPECT_EQ(ledger_->deaths(origin(5)), 0);
}

TEST_F(DeathLedgerTest, AnUnwritableDirectoryIsADiskFailureThatNamesIt) {
  const auto opened = DeathLedger::open("/nonexistent/ledger");
  ASSERT_FALSE(opened.is_ok());
  EXPECT_EQ(opened.status().exit_code(), ExitCode::disk);
  EXPECT_NE(opened.status().message().find("/nonexistent/ledger"), std::string::npos);
}

// On a disk of one page, which is less than a ledger takes. Ends the process.
[[noreturn]] void open_on_a_full_disk(const std::filesystem::path& disk, int cant_mount) {
  if (!mount_small_disk(disk, "4k")) {
    std::_Exit(cant_mount);
  }
  const auto opened = DeathLedger::open(disk / "ledger");
  const Status& status = opened.status();
  std::fputs(status.message().c_str(), stderr);
  std::_Exit(opened.is_ok() ? 0 : static_cast<int>(status.exit_code()));
}

TEST_F(DeathLedgerTest, AFullDiskIsADiskFailureAndNoDeath) {
  constexpr int kCantMount = 1;
  const std::filesystem::path disk = path_ + ".disk";
  std::filesystem::create_directory(disk);
  int code = 0;
  const auto has_exited = [&code](int status) {
    code = WEXITSTATUS(status);
    return WIFEXITED(status);
  };
  EXPECT_EXIT(open_on_a_full_disk(disk, kCantMount), has_exited,
              "ledger: can't extend: No space left on device. Free some space|^$");
  std::filesystem::remove(disk);
  if (code == kCantMount) {
    GTEST_SKIP() << "needs the right to mount a small disk";
  }
  EXPECT_EQ(code, static_cast<int>(ExitCode::disk));
}

}  // namespace
}  // namespace weir
