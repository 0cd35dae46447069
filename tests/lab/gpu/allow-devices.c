/* Take all device policies off a cgroup (bpf(2)): allow-devices /sys/fs/cgroup/...
 *
 * NVIDIA's container library adds its devices to the policy that is there; for a stand-in it is
 * enough to lift it. As with NVIDIA's, systemd puts its own policy back when it is reloaded. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(int command, union bpf_attr *attr) {
    return syscall(SYS_bpf, command, attr, sizeof *attr);
}

int main(int count, char **words) {
    unsigned ids[64];
    union bpf_attr attr;
    int cgroup = count == 2 ? open(words[1], O_RDONLY | O_DIRECTORY) : -1;
    if (cgroup < 0)
        return perror("allow-devices"), 1;
    memset(&attr, 0, sizeof attr);
    attr.query.target_fd = cgroup;
    attr.query.attach_type = BPF_CGROUP_DEVICE;
    attr.query.prog_ids = (unsigned long)ids;
    attr.query.prog_cnt = 64;
    if (bpf(BPF_PROG_QUERY, &attr))
        return perror("allow-devices: query"), 1;
    unsigned found = attr.query.prog_cnt;
    for (unsigned number = 0; number < found; number++) {
        memset(&attr, 0, sizeof attr);
        attr.prog_id = ids[number];
        int program = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
        memset(&attr, 0, sizeof attr);
        attr.target_fd = cgroup;
        attr.attach_bpf_fd = program;
        attr.attach_type = BPF_CGROUP_DEVICE;
        if (program < 0 || bpf(BPF_PROG_DETACH, &attr))
            return perror("allow-devices: detach"), 1;
        close(program);
    }
    return 0;
}
