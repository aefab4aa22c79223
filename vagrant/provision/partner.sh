# shellcheck shell=sh disable=SC2154,SC2153
# Part of mftd; see LICENSE.
# The partner: it receives as acme, and sends as alice, with OpenSSH. At the end
# one file goes in at the cluster and comes out here.

install_packages openssh-server openssh-client
getent passwd acme > /dev/null || useradd -m -s /bin/sh acme
getent passwd alice > /dev/null || useradd -m -s /bin/bash alice
chmod 755 /home/acme
install -d -m 755 -o acme -g acme /home/acme/inbox
install -d -m 700 -o acme -g acme /home/acme/.ssh
install -d -m 700 -o alice -g alice /home/alice/.ssh
put_key acme.pub /home/acme/.ssh/authorized_keys 600 acme:acme
put_key alice /home/alice/.ssh/id_ed25519 600 alice:alice
put_key partner-host /etc/ssh/mft_partner_key 600 root
put /etc/ssh/sshd_config.d/mft.conf 644 root <<-END && systemctl restart ssh
HostKey /etc/ssh/mft_partner_key
MaxStartups 100
Match User acme
	ForceCommand internal-sftp -l INFO
	AllowTcpForwarding no
	X11Forwarding no
Match all
END
put /home/alice/.ssh/known_hosts 644 alice:alice <<-END || :
* $(public mftd-host)
END
{
	printf 'Host mft-*\n\tPort 2222\n\tUser alice\n\tBatchMode yes\n'
	printf '\tStrictHostKeyChecking yes\n\tUpdateHostKeys no\n'
	printf '\tConnectTimeout %d\n' $((5 * ${PATIENCE:-1}))
} | put /home/alice/.ssh/config 600 alice:alice || :
install -m 755 "$here/send" /usr/local/bin/mft-send

wait_for 240 "the cluster takes a login" \
	runuser -u alice -- sftp -b /dev/null "mft-$(first_node)"
mft-send "mft-$(first_node)"
