"""Sidecars in the forms in which eight programs write them, for one photo with two keywords."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
XMP = 'xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
MM = 'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
EVENT = 'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"'
LR = 'xmlns:lr="http://ns.adobe.com/lightroom/1.0/"'
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
END = '\n<?xpacket end="w"?>'


def _keywords(kind: str) -> str:
    return f"<rdf:{kind}>\n <rdf:li>hill</rdf:li>\n <rdf:li>Öland &amp; sky</rdf:li>\n</rdf:{kind}>"


def _meta(inner: str, attributes: str = "", name: str = "xmpmeta") -> str:
    return (
        f'<x:{name} xmlns:x="adobe:ns:meta/"{attributes}>\n <rdf:RDF xmlns:rdf="{RDF}">\n'
        f"{inner}\n </rdf:RDF>\n</x:{name}>"
    )


DIGIKAM = '<?xml version="1.0" encoding="UTF-8"?>\n' + _meta(
    f'<rdf:Description rdf:about="" {DC} {XMP} xmlns:digiKam="http://www.digikam.org/ns/1.0/" '
    'xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/" xmp:Rating="4" '
    f'MicrosoftPhoto:Rating="75" digiKam:ColorLabel="0"><dc:subject>{_keywords("Bag")}</dc:subject>'
    "<digiKam:TagsList><rdf:Seq><rdf:li>Land/hill</rdf:li></rdf:Seq></digiKam:TagsList>"
    '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A hill</rdf:li></rdf:Alt></dc:title>'
    "</rdf:Description>",
    ' x:xmptk="XMP Core 4.4.0-Exiv2"',
)
DARKTABLE = '<?xml version="1.0" encoding="UTF-8"?>\n' + _meta(
    f'<rdf:Description rdf:about="" {DC} {LR} {XMP} xmlns:darktable="http://darktable.sf.net/" '
    'xmp:Rating="1" darktable:xmp_version="5" darktable:history_end="2">'
    "<darktable:history><rdf:Seq>"
    '<rdf:li darktable:num="0" darktable:operation="exposure" darktable:params="gz12eJxj"/>'
    '<rdf:li darktable:num="1" darktable:operation="flip" darktable:multi_name=""/>'
    f"</rdf:Seq></darktable:history><dc:subject>{_keywords('Seq')}</dc:subject>"
    "<lr:hierarchicalSubject><rdf:Seq><rdf:li>Land|hill</rdf:li></rdf:Seq>"
    "</lr:hierarchicalSubject></rdf:Description>",
    ' x:xmptk="XMP Core 4.4.0-Exiv2"',
)
LIGHTROOM = _meta(
    f'<rdf:Description rdf:about="" {DC} {LR} {MM} {EVENT} '
    'xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure2012="+0.35" '
    f'crs:HasSettings="True"><dc:subject>{_keywords("Bag")}</dc:subject>'
    "<lr:hierarchicalSubject><rdf:Bag><rdf:li>Land|hill</rdf:li></rdf:Bag>"
    '</lr:hierarchicalSubject><xmpMM:History><rdf:Seq><rdf:li stEvt:action="saved" '
    'stEvt:changed="/metadata"/></rdf:Seq></xmpMM:History><crs:MaskGroupBasedCorrections><rdf:Seq>'
    '<rdf:li><rdf:Description crs:What="Correction" crs:CorrectionAmount="1"><crs:CorrectionMasks>'
    '<rdf:Seq><rdf:li crs:What="Mask/Image" crs:MaskValue="1"/></rdf:Seq></crs:CorrectionMasks>'
    "</rdf:Description></rdf:li></rdf:Seq></crs:MaskGroupBasedCorrections></rdf:Description>",
    ' x:xmptk="Adobe XMP Core 7.0-c000"',
)
CAPTURE_ONE = "\ufeff" + _meta(
    f'<rdf:Description rdf:about="" {DC} xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">'
    f"<photoshop:Urgency>2</photoshop:Urgency><dc:subject>{_keywords('Bag')}</dc:subject>"
    "</rdf:Description>",
    ' x:xmptk="XMP Core 5.5.0"',
).replace("\n", "\r\n")
EXIFTOOL = (
    BEGIN
    + _meta(
        f'<rdf:Description rdf:about="" {DC}><dc:subject>{_keywords("Bag")}</dc:subject>'
        f'</rdf:Description>\n\n<rdf:Description rdf:about="" {XMP}><xmp:Rating>5</xmp:Rating>'
        "</rdf:Description>",
        ' x:xmptk="Image::ExifTool 12.76"',
    ).replace('"', "'")
    + END
)
OSXPHOTOS = (
    BEGIN
    + "<!-- Created with osxphotos -->\n"
    + _meta(
        f'<rdf:Description rdf:about="" {DC} xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">'
        f"<dc:description></dc:description><dc:subject>{_keywords('Seq')}</dc:subject>"
        "<photoshop:DateCreated>2020-05-01T12:00:00</photoshop:DateCreated></rdf:Description>"
        '<rdf:Description rdf:about="" xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/'
        'regions/" xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"><mwg-rs:Regions '
        'rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource">'
        '<mwg-rs:Name>Ann</mwg-rs:Name><mwg-rs:Area stArea:x="0.5" stArea:y="0.25"/></rdf:li>'
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions></rdf:Description>",
    )
    + END
)
ICLOUDPD = "<?xml version='1.0' encoding='utf-8'?>\n" + _meta(
    f'<rdf:Description rdf:about="" {DC}><dc:subject>{_keywords("Seq")}</dc:subject>'
    f'</rdf:Description><rdf:Description rdf:about="" {XMP}><xmp:Rating>5</xmp:Rating>'
    "</rdf:Description>",
    ' x:xmptk="icloudpd 1.27.1"',
    "xml_doc",
)
PHOTO_MECHANIC = (
    BEGIN
    + _meta(
        f'<rdf:Description rdf:about="" {DC} xmlns:photomechanic="http://ns.camerabits.com/'
        'photomechanic/1.0/" photomechanic:Tagged="False" photomechanic:Prefs="0:0:0:000001">'
        f"<dc:subject>{_keywords('Bag')}</dc:subject><dc:rights/></rdf:Description>"
    )
    + "\n".ljust(2000)
    + END
)

SIDECARS = {
    "digikam": DIGIKAM.encode(),
    "darktable": DARKTABLE.encode(),
    "lightroom": LIGHTROOM.encode(),
    "capture one": CAPTURE_ONE.encode(),
    "exiftool": EXIFTOOL.encode(),
    "osxphotos": OSXPHOTOS.encode(),
    "icloudpd": ICLOUDPD.encode(),
    "photo mechanic": PHOTO_MECHANIC.encode("utf-16"),
}
