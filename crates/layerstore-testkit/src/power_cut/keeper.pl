# Keeps a file system in an image, in a mount namespace of its own, until stdin ends.
use strict;
use warnings;

my ($image, $folder) = @ARGV;
my $SHUTDOWN = 0x8004587d;    # EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)
my $NO_LOG_FLUSH = 2;         # What the journal has not committed is lost, as with the power.
$| = 1;
$ENV{PATH} .= ":/usr/sbin:/sbin";

# Runs a program; what it says is why it failed.
sub run {
    my $pid = open(my $output, "-|") // die "fork: $!\n";
    if (!$pid) {
        open(STDERR, ">&", \*STDOUT);
        exec { $_[0] } @_ or print "$!";
        exit 127;
    }
    my $said = join(" ", split(" ", join("", <$output>)));
    close($output) or die "$_[0]: $said\n";
}

sub cut {
    open(my $root, "<", $folder) or die "open: $!\n";
    my $flags = pack("L", $NO_LOG_FLUSH);
    defined ioctl($root, $SHUTDOWN, $flags) or die "the shutdown ioctl: $!\n";
}

# The loop device goes with the mount.
sub start { run("mount", "-t", "ext4", "-o", "loop", $image, $folder) }
sub stop  { run("umount", $folder) }

my %orders = (make => sub { run("mkfs.ext4", "-q", "-F", "-b", "4096", $image) }, start => \&start, stop => \&stop, cut => \&cut);
while (my $order = <STDIN>) {
    chomp $order;
    my $done = eval { $orders{$order}->(); 1 };
    print $done ? "done\n" : "failed $@";
}
# Whoever gave the orders is gone, by itself or killed. A mount that is in use goes with the namespace, at the end of this process.
eval { stop() };
unlink $image;
