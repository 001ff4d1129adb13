"""The hashes of the sample `self_hosted_supabase` with their passwords, and how to try a password."""

from __future__ import annotations

import base64
import hashlib

import bcrypt
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type, verify_secret
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

# What a Supabase takes: hash -> password.
ACCEPTED = {
    "$2b$12$0L3DquEqjgMpG.eDp/DFjOZ5b67ytiBvP5elrprsdl5r1Pr1J12AK": "canal-boat-12",
    "$2a$04$tW6euaRQslijdF2rxUw6oeDmHDvvwFb1nnMk8P7C4xJp6cRgPKVVi": "lock gate 1",
    "$2y$05$62bKo.qKoWBwsxP0OP0k3ufy5UXxYfh311jaXzWy56QKNfIcD.yKG": "Écluse n° 7",
    "$2b$06$Md1.9nDplXm3.ASLBbsNGu0.diHmi/1T2UChmzZjlvbJVzZkm9pN.": "it's 6 o'clock",
    "$2a$08$dAUnPn1AnDEp.DYNvrYkFeGxI61S5WTgKGkk3XXgmIn6LzsR9p8U6": "towpath8",
    "$argon2id$v=19$m=64,t=1,p=1$QPAG+6Lz3owTQSq5KvZZJw$JusI4Pz1kggPl0Q2SjP52Y3Yd8h2CCIFMoOwXwMmlpE": "winding hole",
    "$argon2id$v=19$m=256,t=2,p=1$582iJZB3giEM33FUXS1hQg$8CPzWZ05WTytLu9fqDRLlRJf9kFpQv+1moksWbvWqrU": "barge & tug",
    "$argon2id$v=19$m=1024,t=1,p=4$yeaETbhlNKSlnr8/xra7/w$5F3oq1OMg+oMcueL8ta9K0bSNvF1biL9xTYRNZ3uF3s": "péniche 38m",
    "$argon2id$v=19$m=4096,t=3,p=1$mxEx6pdpl1VmkEcQXDKZJA$d1rNo8HJCp4Jj51ro29xAnahVRIj0SWjbUtH1t36CQ0": "sluice-19",
    "$argon2i$v=19$m=64,t=3,p=1$ookpL2kKuao1yMw9a/jKSg$eMU5L7otaT1QAOG3sRD8pvUiWZkGNQRknCmDMVHFPU0": "aqueduct",
    "$argon2i$v=19$m=256,t=2,p=2$dw3uL0AxTxgHzzMAr+UA6w$rqVaZaP2fNNDa73G//rBChIcEfTsdchF4SJ977BLEDI": "pound level",
    "$argon2i$v=19$m=512,t=1,p=1$hkI83x7L8l5CbY82yclo2g$+mTWZ1+/0Ec83WdXu0kpwMFAW3wzA3/7CWyu1Hf3mmo": "weir-and-wharf",
    "$argon2i$v=19$m=1024,t=2,p=1$pcf4E9iL3FWnpiIDjIh/GA$O4+6PBPRCcoyDb15ss6zfa7UdikqCdMUDlyplpSC1eY": "кран 5",
    (
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=l4C/GtdYVKOivlD+5MsCQOrcsb4JCSQASrVoU6LPk2w2moe24u+mrkvv6EXVV6pyagK"
        "hL6hmmel+xD78AIkQ1A==$yPdy2n8ti7BliA==$Vx+1m7meD3NYDFDoL7PcIAWaKOfE7CPrk8WTcMK46Grn1vsK+jvK6XkqCHGGBCU17x"
        "9UL49hbcEzqxe1Y/aRWA=="
    ): "mooring ring",
    (
        "$fbscrypt$v=1,n=8,r=8,p=1,ss=Bw==,sk=l4C/GtdYVKOivlD+5MsCQOrcsb4JCSQASrVoU6LPk2w2moe24u+mrkvv6EXVV6pyagKh"
        "L6hmmel+xD78AIkQ1A==$GOJJ+h2gYolpwA==$cUbuyWDrnOdgST1YdqrPiJuaIvxR39yuYcNagR9D3Ivzr+NfW7zRqP1R8WPiZDAnDrm"
        "597RgjqymOODJ/6F6lQ=="
    ): "balance beam",
    (
        "$fbscrypt$v=1,n=8,r=8,p=1,ss=Bw==,sk=l4C/GtdYVKOivlD+5MsCQOrcsb4JCSQASrVoU6LPk2w2moe24u+mrkvv6EXVV6pyagKh"
        "L6hmmel+xD78AIkQ1A==$89CU57vDSZJhgRWK7xS0zQ==$mUdgXVccWAq4EI/xG2knob1SRR071aVJdC37Zlu4A5DwxvExPANE1XRjZ1V"
        "r5dANiOZKjpsBf4OuL/9cbdAC1A=="
    ): "halage été",
    (
        "$fbscrypt$v=1,n=10,r=8,p=1,ss=Bw==,sk=l4C/GtdYVKOivlD+5MsCQOrcsb4JCSQASrVoU6LPk2w2moe24u+mrkvv6EXVV6pyagK"
        "hL6hmmel+xD78AIkQ1A==$ufCU8oT5WiltgA==$22IEpI6ipiq1DkmDe5UdTEF7s8dTfi2u/ztOTHigtevCbmBc9tGz+9lyOOhV+PXYLZ"
        "ASO4I1WCv72rtSOgkz8Q=="
    ): "paddle gear",
}
# What it does not.
REFUSED = (
    "pbkdf2_sha256$600000$kH3yQe8LmT2w$JwHCM1mtvng0Rlgage0kTCQhy6lAIWpah2mJlJlE9go=",
    "dcafe4135596992fec8db9482219be80e44183b0371c05f7e379f3a448981c3c",
    "sha1$a1b2c$520a8741cc1990668728ddef5e697883d54ee680",
    "$6$Sluice19Canal$pSjsvnC98QDhpGHwjCN9JQbwTuNirnYWURiP6MUUmEGYHIJPbHxaV7uHvOL61fLbyxuzo8S/sMAiRfWIDZAIb.",
    "$P$9Lx4vTz0k0nH8ippUz8HGVKnY2hdFM1",
    "ea7e28c48e7023453feda3e5d3009089",
    "stranded in plain text",
    "",
    "$argon2d$v=19$m=64,t=1,p=1$DhzjkweMl9TbPC69ykl+mA$sFC2ZDykOc53rFInrqoM225K+4Omq2s9Mc33zvQYvCA",
    "$argon2id$v=19$m=2097152,t=1,p=4$DhzjkweMl9TbPC69ykl+mA$5Z/1Kwse/+euAtvhv+pbhoogFe6Z1lmPScPWP7zn41E",
    "$2b$04$BfxhiucKj7RZNA47wij8k.LSirBOEgg55zfXMNCztcFXeqY6ed",
)
# Of those who have an account in the Supabase already.
ACCOUNT = {"$2a$10$SLgiuL8ivfNHfuLZvhh7HOmLTioPsQJiY4rTy4eO5rUYu/7ic/MaS": "chosen anew"}


def fits(password: str, hashed: str) -> bool:
    """Whether the auth service would let somebody in. For hashes that it takes."""
    if hashed.startswith("$argon2"):
        kind = Type.ID if hashed.startswith("$argon2id$") else Type.I
        try:
            return verify_secret(hashed.encode(), password.encode(), kind)
        except VerifyMismatchError:
            return False
    if hashed.startswith("$fbscrypt$"):
        return _fits_firebase(password, hashed)
    return bcrypt.checkpw(password.encode(), hashed.encode())


def _fits_firebase(password: str, hashed: str) -> bool:
    """The signer key is encrypted with what scrypt makes of the password."""
    _, _, said, salt, wanted = hashed.split("$")
    given = dict(part.split("=", 1) for part in said.split(","))
    key = hashlib.scrypt(
        password.encode(),
        salt=_bytes(salt) + _bytes(given["ss"]),
        n=2 ** int(given["n"]),
        r=int(given["r"]),
        p=int(given["p"]),
        dklen=32,
    )
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    return encryptor.update(_bytes(given["sk"])) + encryptor.finalize() == _bytes(wanted)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
