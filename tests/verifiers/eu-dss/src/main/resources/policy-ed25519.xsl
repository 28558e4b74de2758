<?xml version="1.0" encoding="UTF-8"?>
<!-- Makes the policy "ed25519" from the default policy of EU DSS: all of it, and Ed25519 accepted as well.
     The default refuses EdDSA because ETSI TS 119 312 does not list it, not because of any weakness. -->
<xsl:stylesheet version="1.0"
                xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:p="http://dss.esig.europa.eu/validation/policy"
                xmlns="http://dss.esig.europa.eu/validation/policy"
                exclude-result-prefixes="p">

  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>

  <xsl:template match="/p:ConstraintsParameters/@Name">
    <xsl:attribute name="Name">default policy, Ed25519 accepted</xsl:attribute>
  </xsl:template>

  <xsl:template match="p:AcceptableEncryptionAlgo">
    <xsl:copy><xsl:apply-templates select="@*|node()"/><Algo>EdDSA</Algo></xsl:copy>
  </xsl:template>

  <xsl:template match="p:MiniPublicKeySize|p:AlgoExpirationDate">
    <xsl:copy><xsl:apply-templates select="@*|node()"/><Algo Size="24">EdDSA</Algo></xsl:copy>
  </xsl:template>
</xsl:stylesheet>
