"""The `folder` driver: pictures and N42 files that a vendor's software writes into an export share."""

from drivers.contract import DriverInfo

DRIVER = DriverInfo(
    name="folder",
    summary="pictures from a vendor's export folder or share: PNG, JPEG, TIFF, DICOS; radiation instruments' N42",
    settings="drivers.folder.settings:FolderSettings",
    driver="drivers.folder.driver:FolderDriver",
    finder="drivers.folder.find:attempts",
    pictures=True,
    example="""\
driver = "folder"
model = "baggage"

[settings]
path = "/srv/scanner-export"     # what the scanner's software writes into
# settle_ms = 500                # a file counts once it has not changed for so long
# poll_s = 0                     # 0: file events, polling by itself where a share gives none
# ignore = ["*.tmp", "*.part", "*.xml"]
""",
    wiring="""\
Export over the network (the appliance is the server): share the folder with Samba or NFS; the scanner writes into it.
Export from the scanner's own share (the appliance is the client): mount it read-only, and set mounted = true:
    //scanner/export  /srv/scanner-export  cifs  ro,credentials=/etc/jaitf-edge/scanner.cred,soft,_netdev  0  0
    scanner:/export   /srv/scanner-export  nfs   ro,soft,timeo=50,retrans=2,_netdev                        0  0
Files stay where they are. What cannot be read goes to rejected/, beside a .txt that says why.
""",
)
